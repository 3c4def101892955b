package processing

import (
	"fmt"
	"image"
	"math"
	"strings"
)

// span is a part of a card's length: 0 is its beginning and 1 its end.
type span struct{ from, to float64 }

// motion is how a layer comes and goes. It comes slowing down and leaves
// speeding up, as things do that weigh something.
type motion struct {
	in, out span
	away    image.Point // in pixels, from its place: where it comes from and goes to
	grow    [2]float64  // it begins at this part of its width and height; 0: full size
	fade    bool
}

// layer is a picture of a card. The lowest one fills the card, whatever the
// size in which it was drawn.
type layer struct {
	png  []byte
	size image.Point // as shown, at rest
	at   image.Point // the left upper corner, at rest
	motion
}

// composition is a card: layers from back to front.
type composition []layer

// stillBelow is the number of frames with which a card does not move.
const stillBelow = 10

// clock writes motions as ffmpeg's expressions, for frames pictures at fps.
type clock struct {
	fps    int
	frames int64
}

// part returns the first frame of s and how many it lasts, at least one.
func (k clock) part(s span) (frame, length int64) {
	frame = int64(math.Round(s.from * float64(k.frames)))
	return frame, max(1, int64(math.Round(s.to*float64(k.frames)))-frame)
}

// progress rises from 0 to 1 during s. The clock of filters is t, in seconds:
// not all of them count frames from the same number.
func (k clock) progress(s span) string {
	frame, length := k.part(s)
	return fmt.Sprintf("clip((t*%d-%d)/%d,0,1)", k.fps, frame, length)
}

// absence is 1 before a motion begins and after it has ended, and 0 while the
// layer rests.
func (k clock) absence(m motion) string {
	return fmt.Sprintf("(pow(1-%s,3)+pow(%s,3))", k.progress(m.in), k.progress(m.out))
}

// size is the part of its full size at which a growing layer is: it grows a
// little too much and settles.
func (k clock) size(m motion, begin float64) string {
	const overshoot = 1.4
	p := k.progress(m.in)
	return fmt.Sprintf("(1-%g*(pow(1-%s,2)*(1-%g*%s)))", 1-begin, p, overshoot+1, p)
}

// filter lays the layers, inputs 0 and up, over each other; last are the final
// filters.
func (k clock) filter(c composition, last string) string {
	var b strings.Builder
	for i, l := range c {
		fmt.Fprintf(&b, "[%d:v]%s[l%d];", i, k.picture(l, i == 0), i)
	}
	below := "[l0]"
	for i, l := range c[1:] {
		fmt.Fprintf(&b, "%s[l%d]%s[m%d];", below, i+1, k.overlay(l), i+1)
		below = fmt.Sprintf("[m%d]", i+1)
	}
	fmt.Fprintf(&b, "%s%sformat=yuv420p,setsar=1,%s[v]", below, k.dim(), last)
	return b.String()
}

// picture prepares one layer. The converted picture is repeated, not the file.
func (k clock) picture(l layer, ground bool) string {
	steps := []string{"scale=out_color_matrix=bt709:out_range=tv", "format=yuva420p"}
	if ground {
		steps = []string{fmt.Sprintf("scale=%d:%d:flags=bicubic:out_color_matrix=bt709:out_range=tv", l.size.X, l.size.Y), "format=yuv420p"}
	}
	moves := k.frames >= stillBelow
	if ground || moves && (l.fade || l.grow != [2]float64{}) {
		steps = append(steps, fmt.Sprintf("settb=1/%d", k.fps), "loop=loop=-1:size=1", "setpts=N")
	}
	if moves && l.fade {
		in, inLength := k.part(l.in)
		out, outLength := k.part(l.out)
		steps = append(steps, fmt.Sprintf("fade=in:%d:%d:alpha=1,fade=out:%d:%d:alpha=1", in, inLength, out, outLength))
	}
	if moves && l.grow != [2]float64{} {
		steps = append(steps, fmt.Sprintf("scale=w='max(2,round(%d*%s))':h='max(2,round(%d*%s))':eval=frame",
			l.size.X, k.size(l.motion, l.grow[0]), l.size.Y, k.size(l.motion, l.grow[1])))
	}
	return strings.Join(steps, ",")
}

func (k clock) overlay(l layer) string {
	x, y := fmt.Sprint(l.at.X), fmt.Sprint(l.at.Y)
	if k.frames >= stillBelow {
		if l.grow != [2]float64{} { // about its middle
			x, y = fmt.Sprintf("%d-w/2", l.at.X+l.size.X/2), fmt.Sprintf("%d-h/2", l.at.Y+l.size.Y/2)
		}
		if l.away.X != 0 {
			x += fmt.Sprintf("+%d*%s", l.away.X, k.absence(l.motion))
		}
		if l.away.Y != 0 {
			y += fmt.Sprintf("+%d*%s", l.away.Y, k.absence(l.motion))
		}
	}
	return fmt.Sprintf("overlay=x='round(%s)':y='round(%s)'", x, y)
}

// dim lets the card begin and end in the dark, so that it can stand before and
// after anything.
func (k clock) dim() string {
	if k.frames < stillBelow {
		return ""
	}
	in, out := max(1, k.frames/12), max(2, k.frames/7)
	return fmt.Sprintf("fade=in:0:%d,fade=out:%d:%d,", in, k.frames-1-out, out)
}
