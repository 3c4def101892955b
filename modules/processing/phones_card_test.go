package processing

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// testCard is a generated picture that tells what was done to it: a colour in
// each corner, a row of patches between the upper two, a white disc, and
// between the lower two its own number as black and white columns, with their
// complement below.
type testCard struct {
	width, height int     // as stored
	aspect        float64 // as shown; 0: pixels are square
	frames        int
	transfer      string // "" for ordinary colours, else smpte2084 or arib-std-b67
}

// counterBits are enough for four seconds of 240 pictures.
const counterBits = 10

// patch is a colour and where a card has it, in parts of width and height.
type patch struct {
	name                     string
	left, top, right, bottom float64
	x, y                     float64 // where it is looked at, clear of the watermark
	color                    pixel
}

var (
	ground = pixel{110, 110, 110}
	// cardCorners are in the order in which one reads.
	cardCorners = []patch{
		{"red", 0, 0, 0.25, 0.25, 0.12, 0.12, pixel{190, 40, 40}},
		{"green", 0.75, 0, 1, 0.25, 0.80, 0.20, pixel{40, 140, 50}},
		{"blue", 0, 0.75, 0.25, 1, 0.12, 0.88, pixel{45, 60, 190}},
		{"yellow", 0.75, 0.75, 1, 1, 0.88, 0.88, pixel{200, 180, 40}},
	}
	// cardPatches are what courts and players are made of.
	cardPatches = []patch{
		{"light skin", 0.25, 0, 0.35, 0.25, 0.30, 0.12, pixel{224, 172, 140}},
		{"dark skin", 0.35, 0, 0.45, 0.25, 0.40, 0.12, pixel{120, 75, 55}},
		{"ball", 0.45, 0, 0.55, 0.25, 0.50, 0.12, pixel{210, 105, 40}},
		{"dark grey", 0.55, 0, 0.65, 0.25, 0.60, 0.12, pixel{64, 64, 64}},
		{"light grey", 0.65, 0, 0.75, 0.25, 0.70, 0.12, pixel{180, 180, 180}},
		{"grey", 0, 0, 0, 0, 0.10, 0.50, ground},
		{"white", 0, 0, 0, 0, 0.50, 0.50, white},
	}
)

func (c testCard) filled() testCard {
	if c.width == 0 {
		c.width, c.height = 320, 180
	}
	if c.aspect == 0 {
		c.aspect = float64(c.width) / float64(c.height)
	}
	if c.frames == 0 {
		c.frames = clipFrames
	}
	return c
}

// at is the colour of a point, without the number.
func (c testCard) at(x, y float64) pixel {
	if math.Hypot((x-0.5)*c.aspect, y-0.5) < min(c.aspect, 1)/4 {
		return white
	}
	for _, set := range [][]patch{cardCorners, cardPatches} {
		for _, p := range set {
			if x >= p.left && x < p.right && y >= p.top && y < p.bottom {
				return p.color
			}
		}
	}
	return ground
}

// bitAt is the colour that the number n gives a point, if it is there at all.
func bitAt(n int, x, y float64) (pixel, bool) {
	if x < 0.25 || x >= 0.75 || y < 0.77 {
		return pixel{}, false
	}
	set := n>>int((x-0.25)*2*counterBits)&1 == 1
	if set == (y < 0.885) {
		return white, true
	}
	return black, true
}

// encode is how the card's file holds a colour: 8 bits of red, green and blue
// or, with a transfer, 16.
func (c testCard) encode() func(pixel) []byte {
	if c.transfer != "" {
		return wideColour(c.transfer)
	}
	return func(p pixel) []byte { return []byte{byte(p[0]), byte(p[1]), byte(p[2])} }
}

// draw draws the card without its number.
func (c testCard) draw() []byte {
	encode, known := c.encode(), map[pixel][]byte{}
	var out []byte
	for y := range c.height {
		for x := range c.width {
			p := c.at((float64(x)+0.5)/float64(c.width), (float64(y)+0.5)/float64(c.height))
			if known[p] == nil {
				known[p] = encode(p)
			}
			out = append(out, known[p]...)
		}
	}
	return out
}

// renumber writes n into a drawn card.
func (c testCard) renumber(drawn []byte, n int) {
	encode, row := c.encode(), len(drawn)/c.height
	on, off := encode(white), encode(black)
	for y := c.height * 3 / 4; y < c.height; y++ {
		for x := c.width / 4; x <= c.width*3/4; x++ {
			switch p, ok := bitAt(n, (float64(x)+0.5)/float64(c.width), (float64(y)+0.5)/float64(c.height)); {
			case !ok:
			case p == white:
				copy(drawn[y*row+x*len(on):], on)
			default:
				copy(drawn[y*row+x*len(off):], off)
			}
		}
	}
}

// cardFiles are the cards drawn so far.
var cardFiles struct {
	sync.Mutex
	paths map[testCard]string
}

// input draws the card and returns the options with which ffmpeg reads it at
// the given rate.
func (c testCard) input(t *testing.T, rate string) []string {
	t.Helper()
	c = c.filled()
	format := "rgb24"
	if c.transfer != "" {
		format = "rgb48le"
	}
	return []string{
		"-f", "rawvideo", "-pix_fmt", format, "-video_size", fmt.Sprintf("%dx%d", c.width, c.height),
		"-framerate", rate, "-i", c.file(t),
	}
}

func (c testCard) file(t *testing.T) string {
	t.Helper()
	cardFiles.Lock()
	defer cardFiles.Unlock()
	if path, ok := cardFiles.paths[c]; ok {
		return path
	}
	path := filepath.Join(shared, fmt.Sprintf("card-%d.rgb", len(cardFiles.paths)))
	f, err := os.Create(path)
	require.NoError(t, err)
	w, drawn := bufio.NewWriter(f), c.draw()
	for n := range c.frames {
		c.renumber(drawn, n)
		_, err := w.Write(drawn)
		require.NoError(t, err)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	if cardFiles.paths == nil {
		cardFiles.paths = map[testCard]string{}
	}
	cardFiles.paths[c] = path
	return path
}
