package processing

import (
	"bytes"
	"strconv"
	"sync"
	"testing"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// finished is what one can know of a published video without having made it.
type finished struct {
	data       []byte
	pictures   []picture
	complaints string // of a decoder that was given the whole file
	info       ffmpeg.Info
	packets    []packet // in the order of the file
}

// wanted is what a published video should be.
type wanted struct {
	aspect    float64 // of the upload, as a viewer sees it
	before    float64 // its aspect in the first half of the body; 0: the same
	numbers   []int   // of the cards in its body
	tolerance int     // for colours, of 255; 0: 12
	secrets   []string
	opening   []picture // of the two cards
	closing   []picture
}

// examine looks at a video, good or bad, and fails only if it cannot.
func examine(t *testing.T, path string) finished {
	t.Helper()
	f := finished{data: readFile(t, path)}
	raw, complaints := ffmpegtest.Decode(t, path, testWidth, testHeight)
	for _, p := range raw {
		f.pictures = append(f.pictures, p)
	}
	f.complaints = complaints
	f.info, f.packets = probe(t, path)
	return f
}

// shownCards are the pictures of the two cards, decoded once.
var shownCards struct {
	sync.Once
	opening, closing []picture
}

// filled adds what all wanted videos share.
func (w wanted) filled(t *testing.T) wanted {
	t.Helper()
	art := smallEncoder(t).artwork()
	shownCards.Do(func() {
		for _, p := range ffmpegtest.Frames(t, art.opening, testWidth, testHeight) {
			shownCards.opening = append(shownCards.opening, p)
		}
		for _, p := range ffmpegtest.Frames(t, art.closing, testWidth, testHeight) {
			shownCards.closing = append(shownCards.closing, p)
		}
	})
	w.opening, w.closing = shownCards.opening, shownCards.closing
	if w.tolerance == 0 {
		w.tolerance = 12
	}
	return w
}

// body are the pictures between the cards.
func (f finished) body() []picture {
	if len(f.pictures) <= 2*cardFrames {
		return nil
	}
	return f.pictures[cardFrames : len(f.pictures)-cardFrames]
}

func (f finished) middle() picture {
	if body := f.body(); body != nil {
		return body[len(body)/2]
	}
	return make(picture, testWidth*testHeight*3)
}

// place is where the upload's picture is inside ours.
type place struct{ left, top, width, height float64 }

func placed(aspect float64) place {
	w, h := float64(testWidth), float64(testHeight)
	if aspect > w/h {
		h = w / aspect
	} else {
		w = h * aspect
	}
	return place{(testWidth - w) / 2, (testHeight - h) / 2, w, h}
}

// inside turns pixels into parts of the upload's picture; ok is false in the
// bars and within edge pixels of them.
//
//go:norace
func (p place) inside(x, y int, edge float64) (u, v float64, ok bool) {
	u, v = float64(x)+0.5-p.left, float64(y)+0.5-p.top
	ok = u > edge && v > edge && u < p.width-edge && v < p.height-edge
	return u / p.width, v / p.height, ok
}

// mean is the average of a few pixels around a point of the upload's picture.
//
//go:norace
func (p place) mean(pic picture, u, v float64) pixel {
	dx, dy := max(1, int(p.width*0.015)), max(1, int(p.height*0.02))
	cx, cy := int(p.left+u*p.width), int(p.top+v*p.height)
	var sum pixel
	n := 0
	for y := cy - dy; y <= cy+dy; y++ {
		for x := cx - dx; x <= cx+dx; x++ {
			c := pic.at(x, y)
			for i := range sum {
				sum[i] += c[i]
			}
			n++
		}
	}
	for i := range sum {
		sum[i] = (sum[i] + n/2) / n
	}
	return sum
}

// number reads which card the picture shows, -1 if none can be read.
func (p place) number(pic picture) int {
	n := 0
	for bit := range counterBits {
		u := 0.25 + (float64(bit)+0.5)/(2*counterBits)
		x := int(p.left + u*p.width)
		upper, lower := pic.at(x, int(p.top+0.8275*p.height))[1], pic.at(x, int(p.top+0.9425*p.height))[1]
		switch {
		case upper > lower+80:
			n |= 1 << bit
		case lower < upper+80:
			return -1
		}
	}
	return n
}

func (f finished) numbers(p place) []int {
	var all []int
	for _, pic := range f.body() {
		all = append(all, p.number(pic))
	}
	return all
}

// away is the largest difference of a colour's three parts.
func (a pixel) away(b pixel) int {
	most := 0
	for i := range a {
		most = max(most, a[i]-b[i], b[i]-a[i])
	}
	return most
}

// apart is the mean difference of two pictures, of 255.
//
//go:norace
func (p picture) apart(q picture) float64 {
	sum := 0
	for i := range p {
		d := int(p[i]) - int(q[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(p))
}

func containsAny(data []byte, words []string) string {
	for _, w := range words {
		if bytes.Contains(data, []byte(w)) {
			return strconv.Quote(w)
		}
	}
	return ""
}
