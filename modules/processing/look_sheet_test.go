package processing

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// sheet is a contact sheet: pictures of one size side by side.
type sheet struct {
	columns  int
	pictures []image.Image
}

func (s sheet) draw() *image.RGBA {
	const gap = 8
	size := s.pictures[0].Bounds().Size()
	rows := (len(s.pictures) + s.columns - 1) / s.columns
	out := image.NewRGBA(image.Rect(0, 0, s.columns*(size.X+gap)+gap, rows*(size.Y+gap)+gap))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Gray{0x80}), image.Point{}, draw.Src)
	for i, p := range s.pictures {
		at := image.Pt(gap+i%s.columns*(size.X+gap), gap+i/s.columns*(size.Y+gap))
		draw.Draw(out, image.Rectangle{at, at.Add(size)}, p, p.Bounds().Min, draw.Src)
	}
	return out
}

// frameImage is a decoded picture of packed RGB.
func frameImage(rgb []byte, width, height int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(out.Pix[4*i:], []byte{rgb[3*i], rgb[3*i+1], rgb[3*i+2], 0xFF})
	}
	return out
}

// requireSheet compares s with the picture of that name in the documentation,
// or writes it there with -update. Encoders differ a little from machine to
// machine, so a small difference on average is none.
func requireSheet(t *testing.T, name string, s sheet) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "video", name)
	got := s.draw()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, got, &jpeg.Options{Quality: 82}))
	require.Less(t, b.Len(), 60_000, "bytes of %s", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
		return
	}
	shown, err := os.ReadFile(path)
	require.NoError(t, err, "run this test with -update")
	want, now := decodedJPEG(t, shown), decodedJPEG(t, b.Bytes())
	require.Equal(t, want.Bounds(), now.Bounds(), "%s is not what is drawn today; run this test with -update", name)
	require.Less(t, meanDifference(want.Pix, now.Pix), 1.0, "%s is not what is drawn today; run this test with -update", name)
}

func decodedJPEG(t *testing.T, data []byte) *image.RGBA {
	t.Helper()
	p, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	out := image.NewRGBA(p.Bounds())
	draw.Draw(out, out.Bounds(), p, image.Point{}, draw.Src)
	return out
}

// quarter halves p's width and height twice.
func quarter(p *image.RGBA) *image.RGBA {
	size := p.Bounds().Size().Div(4)
	out := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			var sum [4]int
			for i := range 16 {
				from := p.Pix[p.PixOffset(4*x+i%4, 4*y+i/4):]
				for k := range sum {
					sum[k] += int(from[k])
				}
			}
			for k := range sum {
				out.Pix[out.PixOffset(x, y)+k] = uint8(sum[k] / 16) //nolint:gosec // a mean of bytes
			}
		}
	}
	return out
}
