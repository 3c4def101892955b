package processing

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"slices"
)

// card is what a card says, and how it is laid out.
type card struct {
	title, subtitle string
	closing         bool
	player, city    string // legible; shown on an opening card
}

func openingCard() card {
	return card{title: "RISING STARS SHOWCASE", subtitle: "Asociación Nacional de Baloncesto"}
}

func closingCard() card {
	return card{title: "¡VOTA POR TU FAVORITO!", subtitle: "ANB · Rising Stars Showcase", closing: true}
}

// leave is when everything but the ground goes.
func leave(order float64) span { return span{0.80 + 0.02*order, 0.94 + 0.02*order} }

// groundLayers is how many layers all opening cards have in common.
const groundLayers = 9

// compose draws the layers of a card, upon ground if that is drawn already.
func (s stage) compose(c card, ground composition) (composition, error) {
	d := &drawing{stage: s, layers: slices.Clone(ground)}
	if len(ground) == 0 {
		d.ground(c.closing)
	}
	switch {
	case c.closing:
		d.vote(c)
	case c.player != "":
		d.introduce(c)
	default:
		d.announce(c)
	}
	return d.layers, d.err
}

// drawing collects layers and keeps the first error.
type drawing struct {
	stage
	layers composition
	err    error
}

func (d *drawing) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// add puts a picture on top; rim is the colour of its edges.
func (d *drawing) add(p *image.RGBA, rim color.NRGBA, at image.Point, m motion) {
	data, err := encodePNG(straight(p, rim))
	if err != nil {
		d.fail(err)
	}
	d.layers = append(d.layers, layer{png: data, size: p.Bounds().Size(), at: at, motion: m})
}

func (d *drawing) vector(svg []byte, width, height int) *image.RGBA {
	picture, err := rasterise(svg, width, height)
	if err != nil {
		d.fail(err)
		return image.NewRGBA(image.Rect(0, 0, 1, 1))
	}
	return picture
}

// ground is the night, the lines of a court that come from both sides, and the
// stripes that shoot out of two corners; the closing card is the opening one's
// mirror image.
func (d *drawing) ground(mirror bool) {
	// It is smooth: ffmpeg enlarges it sooner than it is drawn.
	night := d.vector(groundSVG, (d.width+3)/4, (d.height+3)/4)
	if mirror {
		night = flipped(night, true, true)
	}
	d.add(night, navy, image.Point{}, motion{})
	d.layers[0].size = image.Pt(d.width, d.height)
	half := d.vector(courtSVG, (d.width+1)/2, d.height)
	lines := motion{in: span{0, 0.3}, out: leave(1), fade: true}
	lines.away.X = -d.px(150)
	d.add(half, paper, image.Point{}, lines)
	lines.away.X = d.px(150)
	d.add(flipped(half, true, false), paper, image.Pt(d.width/2, 0), lines)
	stripes := []struct {
		svg []byte
		rim color.NRGBA
	}{{wedgeSVG, flame}, {wideStripeSVG, flame}, {thinStripeSVG, paper}}
	for i, s := range stripes {
		stripe := d.vector(s.svg, d.px(250), d.px(300))
		size := stripe.Bounds().Size()
		begin := 0.02 + 0.04*float64(i)
		m := motion{in: span{begin, begin + 0.22}, out: leave(2 - float64(i)/2)}
		for _, right := range []bool{false, true} {
			// From below at one side, from above at the other.
			top := right != mirror
			at := image.Point{}
			m.away = image.Pt(-size.X, size.Y)
			if right {
				at.X, m.away.X = d.width-size.X, size.X
			}
			if top {
				m.away.Y = -size.Y
			} else {
				at.Y = d.height - size.Y
			}
			d.add(flipped(stripe, right, top), s.rim, at, m)
		}
	}
}

// logo pops up about a place of the design.
func (d *drawing) logo(x, y, side float64, in span) {
	picture := d.vector(logoSVG, d.px(side), d.px(side))
	middle := d.point(x, y)
	d.add(picture, paper, middle.Sub(picture.Bounds().Size().Div(2)),
		motion{in: in, out: leave(0), grow: [2]float64{0.4, 0.4}, fade: true})
}

// line writes w, whose lengths are the design's, about or from x on.
func (d *drawing) line(w words, x, baseline float64, centred bool, m motion) {
	w.size, w.spacing = w.size*d.unit, w.spacing*d.unit
	picture, rise, err := w.draw()
	if err != nil {
		d.fail(err)
		return
	}
	at := d.point(x, baseline).Sub(image.Pt(0, rise))
	if centred {
		at.X -= picture.Bounds().Dx() / 2
	}
	m.fade = true
	d.add(picture, w.color, at, m)
}

// rule is a bar in the colour of the house that unrolls.
func (d *drawing) rule(x, y, width, height float64, in span) {
	bar := image.NewRGBA(image.Rect(0, 0, d.px(width), d.px(height)))
	draw.Draw(bar, bar.Bounds(), image.NewUniform(flame), image.Point{}, draw.Src)
	d.add(bar, flame, d.point(x, y), motion{in: in, out: leave(0.5), grow: [2]float64{0.02, 1}, fade: true})
}

// rising is how the lines of the opening card come.
func (d *drawing) rising(from, to, order float64) motion {
	return motion{in: span{from, to}, out: leave(order), away: image.Pt(0, d.px(36))}
}

// announce is the opening card of the showcase.
func (d *drawing) announce(c card) {
	d.logo(640, 256, 330, span{0.05, 0.30})
	d.line(words{c.title, 72, 4, paper}, 640, 530, true, d.rising(0.18, 0.36, 0.5))
	d.rule(560, 556, 160, 6, span{0.24, 0.42})
	d.line(words{c.subtitle, 40, 1, flame}, 640, 620, true, d.rising(0.28, 0.46, 0))
}

// introduce is an opening card that names the player on a ribbon.
func (d *drawing) introduce(c card) {
	d.logo(640, 172, 230, span{0.05, 0.30})
	d.line(words{c.title, 54, 4, paper}, 640, 356, true, d.rising(0.14, 0.32, 0.5))
	d.line(words{c.subtitle, 36, 1, flame}, 640, 408, true, d.rising(0.18, 0.36, 0.5))
	const widest = 940
	name, err := words{c.player, 64, 1, navy}.fitted(widest, 44)
	if err != nil {
		d.fail(err)
		return
	}
	d.ribbon(name)
	if c.city == "" {
		return
	}
	city, err := words{c.city, 42, 1, paper}.fitted(widest, 36)
	if err != nil {
		d.fail(err)
		return
	}
	d.line(city, 640, 618, true, d.rising(0.30, 0.46, 0))
}

// ribbon is a name on a leaning band, which shoots in from the left.
func (d *drawing) ribbon(name words) {
	name.size, name.spacing = name.size*d.unit, name.spacing*d.unit
	text, rise, err := name.draw()
	if err != nil {
		d.fail(err)
		return
	}
	size := image.Pt(text.Bounds().Dx()+d.px(120), d.px(104))
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d"><path d="M%[3]d 0 H%[1]d L%[4]d %[2]d H0 Z" fill="#FB9A3C"/></svg>`,
		size.X, size.Y, d.px(28), size.X-d.px(28))
	band := d.vector([]byte(svg), size.X, size.Y)
	// Capital letters are as high as about seven tenths of the face.
	capital := int(name.size * 0.72)
	corner := image.Pt((size.X-text.Bounds().Dx())/2, (size.Y+capital)/2-rise)
	draw.Draw(band, text.Bounds().Add(corner), text, image.Point{}, draw.Over)
	m := motion{in: span{0.20, 0.40}, out: leave(0), away: image.Pt(-d.px(420), 0), fade: true}
	d.add(band, flame, d.point(640, 496).Sub(size.Div(2)), m)
}

// vote is the closing card: the logo beside two lines that come from the right.
func (d *drawing) vote(c card) {
	d.logo(246, 360, 340, span{0.05, 0.30})
	above, below := inTwo(c.title)
	m := motion{in: span{0.14, 0.34}, out: leave(0.5), away: image.Pt(d.px(120), 0)}
	d.line(words{above, 88, 3, paper}, 462, 332, false, m)
	m.in = span{0.19, 0.39}
	d.line(words{below, 88, 3, flame}, 462, 430, false, m)
	d.rule(466, 458, 200, 6, span{0.24, 0.42})
	m.in, m.out = span{0.27, 0.46}, leave(0)
	d.line(words{c.subtitle, 40, 1, paper}, 464, 520, false, m)
}

// inTwo breaks a title after the second word.
func inTwo(title string) (above, below string) {
	spaces := 0
	for i, r := range title {
		if r != ' ' {
			continue
		}
		if spaces++; spaces == 2 {
			return title[:i], title[i+1:]
		}
	}
	return title, ""
}
