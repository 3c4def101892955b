package processing

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// markedFootage encodes a body of white, black, busy and grey footage, and
// returns its first and last picture and one of each kind between, decoded.
func markedFootage(t *testing.T, e *Encoder) (first, last []byte, kinds map[string][]byte) {
	t.Helper()
	c, dir := e.config, t.TempDir()
	part := func(source string, frames int) string {
		return fmt.Sprintf("%ss=%dx%d:r=%d:d=%g", source, c.Width, c.Height, c.FPS, float64(frames)/float64(c.FPS))
	}
	const frames = 40
	from, to := c.markSettled(frames)
	require.EqualValues(t, 10, from)
	require.EqualValues(t, 29, to)
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{NoAudio: true, Source: part("color=white:", 13) + "[a];" + part("color=black:", 6) + "[b];" +
		part("testsrc2=", 6) + ",noise=alls=40:allf=t[c];" + part("color=0x808080:", 15) + "[d];[a][b][c][d]concat=n=4"})
	mark, out, raw := filepath.Join(dir, "watermark.png"), filepath.Join(dir, "body.mp4"), filepath.Join(dir, "raw")
	drawn, err := drawWatermark(c.Height)
	require.NoError(t, err)
	data, err := encodePNG(drawn)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mark, data, 0o600))
	job := Job{Path: clip, Source: Source{Demuxer: "mov", Width: c.Width, Height: c.Height}}
	args := c.bodyArgs(job, plan{read: c.ClipLength, frames: frames}, mark, out, "")
	_, err = e.tools.Run(t.Context(), ffmpeg.Command{Args: args, Dir: dir, Reads: []string{clip, mark}})
	require.NoError(t, err)
	ffmpegtest.FFmpeg(t, "-i", out, "-fps_mode", "passthrough", "-vf",
		"select=eq(n\\,0)+eq(n\\,11)+eq(n\\,16)+eq(n\\,22)+eq(n\\,28)+eq(n\\,39),scale=in_color_matrix=bt709",
		"-f", "rawvideo", "-pix_fmt", "rgb24", raw)
	all, err := os.ReadFile(raw)
	require.NoError(t, err)
	size := 3 * c.Width * c.Height
	require.Len(t, all, 6*size)
	at := func(i int) []byte { return all[i*size : (i+1)*size] }
	return at(0), at(5), map[string][]byte{"white": at(1), "black": at(2), "busy": at(3), "grey": at(4)}
}

// rimContrast returns the least contrast between the watermark's rim and what
// is just outside it, over sixteen directions, as WCAG 2 counts it.
func rimContrast(rgb []byte, width int, area image.Rectangle) float64 {
	middleX, middleY := float64(area.Min.X+area.Max.X)/2, float64(area.Min.Y+area.Max.Y)/2
	radius := float64(area.Dx()) / 2
	light := func(from, to, direction float64) float64 {
		total, n := 0.0, 0
		for r := from; r <= to; r += 0.5 {
			for a := direction; a < direction+math.Pi/8; a += 0.02 {
				i := 3 * (int(middleY+r*math.Sin(a))*width + int(middleX+r*math.Cos(a)))
				total += luminance(rgb[i], rgb[i+1], rgb[i+2])
				n++
			}
		}
		return total / float64(n)
	}
	least := math.Inf(1)
	for i := range 16 {
		direction := float64(i) * math.Pi / 8
		least = min(least, contrast(light(radius-2.5, radius-1.5, direction), light(radius+1.5, radius+2.5, direction)))
	}
	return least
}

// linear is the light of a value of sRGB, from 0 to 1.
var linear = func() (light [256]float64) {
	for i := range light {
		if s := float64(i) / 255; s <= 0.04045 {
			light[i] = s / 12.92
		} else {
			light[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return light
}()

//go:norace
func luminance(r, g, b byte) float64 {
	return 0.2126*linear[r] + 0.7152*linear[g] + 0.0722*linear[b]
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

func TestLook_OfTheWatermark(t *testing.T) {
	t.Parallel()
	e := lookEncoder(t)
	width, height := e.config.Width, e.config.Height
	area := e.config.markArea()
	first, last, kinds := markedFootage(t, e)
	require.True(t, area.In(e.config.titleSafe()))
	require.GreaterOrEqual(t, float64(area.Dx())*phoneWidth/float64(width), 25.0, "CSS pixels on a phone")
	require.Less(t, spread(first, width, image.Rect(0, 0, width, height)), 12, "the mark has not come yet")
	require.Less(t, spread(last, width, image.Rect(0, 0, width, height)), 12, "the mark has gone")
	shadow := markShadow(height)
	for _, name := range []string{"white", "black", "grey"} {
		beside := image.Rect(0, 0, area.Min.X-shadow-16, height) // a block of the encoder away
		require.Less(t, spread(kinds[name], width, beside), 12, "only the mark is on %s footage", name)
	}
	s := sheet{columns: 4}
	for _, name := range []string{"white", "black", "grey", "busy"} {
		got := rimContrast(kinds[name], width, area)
		t.Logf("contrast of the rim on %s footage: %.1f", name, got)
		require.GreaterOrEqual(t, got, 3.0, name)
		s.pictures = append(s.pictures, quarter(frameImage(kinds[name], width, height)))
	}
	unmarked := bytes.Clone(kinds["white"])
	for i := range unmarked {
		unmarked[i] = 0xFF
	}
	require.Less(t, rimContrast(unmarked, width, area), 3.0, "the measure can fail")
	for _, name := range []string{"white", "black", "grey", "busy"} {
		corner := image.Rect(width-width/4, 0, width, height/4)
		s.pictures = append(s.pictures, frameImage(kinds[name], width, height).SubImage(corner))
	}
	requireSheet(t, "watermark.jpg", s)
}

// spread is how far apart the darkest and the lightest value of an area are.
//
//go:norace
func spread(rgb []byte, width int, area image.Rectangle) int {
	least, most := byte(0xFF), byte(0)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for _, v := range rgb[3*(y*width+area.Min.X) : 3*(y*width+area.Max.X)] {
			least, most = min(least, v), max(most, v)
		}
	}
	return int(most) - int(least)
}

func TestWatermark_IsRoundSeeThroughAndSafe(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{64, 64}, {320, 180}, {1280, 720}, {720, 1280}, {1920, 1920}} {
		c := contractEncoderConfig()
		c.Width, c.Height = size.X, size.Y
		mark, err := drawWatermark(c.Height)
		require.NoError(t, err)
		side := mark.Bounds().Dx()
		area := c.markArea()
		require.Equal(t, side, area.Dx()+2*markShadow(c.Height))
		require.True(t, area.In(c.titleSafe()), "%v in %v", area, c.titleSafe())
		require.Zero(t, area.Min.X%2+area.Min.Y%2+side%2, "whole samples of colour")
		require.Zero(t, mark.RGBAAt(0, 0).A, "corners are empty")
		middle := mark.RGBAAt(side/2, side/2).A
		require.Greater(t, middle, uint8(200))
		require.Less(t, middle, uint8(250))
	}
}

func TestWatermark_MovesOnlyAtTheEnds(t *testing.T) {
	t.Parallel()
	c := contractEncoderConfig()
	first, last := c.markSettled(900)
	require.EqualValues(t, 12, first, "0.4 s")
	require.EqualValues(t, 887, last)
	first, last = c.markSettled(3)
	require.Zero(t, first, "no time to move")
	require.EqualValues(t, 2, last)
	require.NotContains(t, c.watermarkFilter(3), "t*")
}
