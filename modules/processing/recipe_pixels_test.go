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
	black  = pixel{0, 0, 0}
	white  = pixel{255, 255, 255}
	red    = pixel{255, 0, 0}
	green  = pixel{0, 128, 0}
	blue   = pixel{0, 0, 255}
	yellow = pixel{255, 255, 0}
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

// corners is a lavfi source, two seconds of grey with a white disc in the
// middle and one colour in each corner: red, green, blue, yellow, as one reads.
func corners(width, height int) string {
	w, h := width/4, height/4
	return fmt.Sprintf("color=gray:s=%dx%d:r=30:d=0.03,format=yuv444p,"+
		"geq=lum='if(lte(hypot(X-W/2,Y-H/2),min(W,H)/4),235,90)':cb=128:cr=128,"+
		"drawbox=0:0:%[3]d:%[4]d:red:fill,drawbox=iw-%[3]d:0:%[3]d:%[4]d:green:fill,"+
		"drawbox=0:ih-%[4]d:%[3]d:%[4]d:blue:fill,drawbox=iw-%[3]d:ih-%[4]d:%[3]d:%[4]d:yellow:fill,"+
		"loop=loop=59:size=1,setpts=N/30/TB,format=yuv420p", width, height, w, h)
}

// requireUpright checks that p shows the corners where they belong inside a
// picture of the given shape, black beside it, and a round disc.
func requireUpright(t *testing.T, p picture, aspect float64) {
	t.Helper()
	w, h := float64(testWidth), float64(testHeight)
	if aspect > w/h {
		h = w / aspect
	} else {
		w = h * aspect
	}
	left, top := (testWidth-w)/2, (testHeight-h)/2
	at := func(x, y float64) pixel { return p.at(int(left+x*w), int(top+y*h)) }
	for _, c := range []struct {
		x, y float64
		want pixel
	}{{0.12, 0.12, red}, {0.82, 0.2, green}, {0.12, 0.88, blue}, {0.88, 0.88, yellow}, {0.5, 0.5, white}} {
		require.True(t, at(c.x, c.y).near(c.want), "at %v,%v: %v instead of %v", c.x, c.y, at(c.x, c.y), c.want)
	}
	if left > 4 {
		require.True(t, p.at(1, testHeight/2).near(black), "a bar beside the picture")
	}
	if top > 4 {
		require.True(t, p.at(testWidth/2, 1).near(black), "a bar above the picture")
	}
	across, down := 0, 0
	for x := range testWidth {
		if p.at(x, testHeight/2)[1] > 190 {
			across++
		}
	}
	for y := range testHeight {
		if p.at(testWidth/2, y)[1] > 190 {
			down++
		}
	}
	require.InDelta(t, min(w, h)/2, across, 4, "width of the disc")
	require.InDelta(t, across, down, 3, "the disc is round")
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
