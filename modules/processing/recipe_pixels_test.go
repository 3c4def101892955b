package processing

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// pixel is red, green, blue.
type pixel [3]int

// picture is one decoded frame of the tests' size.
type picture []byte

//go:norace // slow enough, and nobody else has it
func (p picture) at(x, y int) pixel {
	i := (y*testWidth + x) * 3
	return pixel{int(p[i]), int(p[i+1]), int(p[i+2])}
}

func (a pixel) near(b pixel) bool {
	for i := range a {
		if d := a[i] - b[i]; d > 60 || d < -60 {
			return false
		}
	}
	return true
}

var (
	black = pixel{0, 0, 0}
	white = pixel{255, 255, 255}
)

func pictures(t *testing.T, out Output) []picture {
	t.Helper()
	frames := ffmpegtest.Frames(t, out.Video.Path, testWidth, testHeight)
	require.Len(t, frames, int(out.Frames))
	all := make([]picture, len(frames))
	for i, f := range frames {
		all[i] = f
	}
	return all
}

// counter is a lavfi source of small pictures that show their own number as
// eight black or white columns, the lowest bit at the left.
func counter(frames int) string {
	return fmt.Sprintf("color=black:s=160x90:r=30:d=%g,format=yuv420p,"+
		"geq=lum='if(mod(floor(N/pow(2,floor(X*8/W))),2),235,16)':cb=128:cr=128", float64(frames)/30)
}

// number reads what counter has drawn, below the watermark.
func (p picture) number() int {
	n := 0
	for bit := range 8 {
		if p.at((2*bit+1)*testWidth/16, testHeight*3/4)[1] > 128 {
			n |= 1 << bit
		}
	}
	return n
}

// numbers decodes out and returns what the pictures of its body count.
func numbers(t *testing.T, out Output) []int {
	t.Helper()
	all := pictures(t, out)
	var n []int
	for _, p := range all[cardFrames : len(all)-cardFrames] {
		n = append(n, p.number())
	}
	return n
}

func upTo(first, last int) []int {
	var n []int
	for i := first; i <= last; i++ {
		n = append(n, i)
	}
	return n
}
