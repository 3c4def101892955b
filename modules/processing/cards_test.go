package processing

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

func TestPrepare_FailsWithoutAWorkingEncoder(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: "/bin/false", FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	e, err := NewEncoder(smallConfig(), tools, t.TempDir(), discard())
	require.NoError(t, err)
	require.Error(t, e.Prepare(t.Context()))
	_, err = e.Encode(t.Context(), Job{Dir: t.TempDir()}, nil)
	requireReason(t, ReasonEncoderFailed, err)

	tools, err = ffmpeg.New(ffmpeg.Config{FFmpeg: ffmpegtest.Script(t, "exit 0"), FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	e, err = NewEncoder(smallConfig(), tools, t.TempDir(), discard())
	require.NoError(t, err)
	require.Error(t, e.Prepare(t.Context()), "cards that were not made")
}

func TestPrepare_RendersOnceAndRepairs(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	prepared := func() artwork {
		e, err := NewEncoder(smallConfig(), installedTools(t), cache, discard())
		require.NoError(t, err)
		require.NoError(t, e.Prepare(t.Context()))
		require.NoError(t, e.Prepare(t.Context()))
		return e.artwork()
	}
	made := func(a artwork) os.FileInfo {
		stat, err := os.Stat(a.opening)
		require.NoError(t, err)
		return stat
	}
	first := prepared()
	require.NotEmpty(t, first.extradata)
	before := made(first)
	require.Equal(t, first, prepared())
	require.True(t, os.SameFile(before, made(first)), "the next start finds the cards")

	require.NoError(t, os.Truncate(first.opening, 100))
	require.Equal(t, first, prepared())
	require.False(t, os.SameFile(before, made(first)), "a broken card is rendered again")

	require.NoError(t, os.RemoveAll(filepath.Dir(first.opening)))
	require.Equal(t, first, prepared())
	entries, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing half made is left")
}

func TestArtworkKey_FollowsTheSettings(t *testing.T) {
	t.Parallel()
	key := func(change func(*EncoderConfig)) string {
		c := smallConfig()
		change(&c)
		e, err := NewEncoder(c, installedTools(t), t.TempDir(), discard())
		require.NoError(t, err)
		k, err := e.artworkKey(t.Context())
		require.NoError(t, err)
		return k
	}
	same := key(func(*EncoderConfig) {})
	require.Equal(t, same, key(func(c *EncoderConfig) { c.ClipLength *= 2 }), "the clip's length is not the cards'")
	require.NotEqual(t, same, key(func(c *EncoderConfig) { c.CRF++ }))
	require.NotEqual(t, same, key(func(c *EncoderConfig) { c.Width += 2 }))
}

func TestDraw_FillsCardsOfAnySize(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{640, 360}, {320, 180}, {180, 320}} {
		opening, err := drawCard(openingCard(), size.X, size.Y)
		require.NoError(t, err)
		closing, err := drawCard(closingCard(), size.X, size.Y)
		require.NoError(t, err)
		require.Equal(t, size, opening.Bounds().Size())
		require.True(t, opening.Opaque())
		require.NotEqual(t, opening.Pix, closing.Pix)
		title := image.Rect(size.X/8, size.Y*69/100, size.X*7/8, size.Y*78/100)
		require.Greater(t, bright(opening, title), title.Dx()*title.Dy()/20, "a title of %v", size)
		beside := image.Rect(0, title.Min.Y, size.X/50, title.Max.Y)
		require.Less(t, bright(opening, beside), beside.Dx()*beside.Dy()/2, "the title of %v fits", size)
	}
}

func TestDraw_WatermarkIsRoundAndSeeThrough(t *testing.T) {
	t.Parallel()
	for _, height := range []int{180, 720} {
		mark, err := drawWatermark(height)
		require.NoError(t, err)
		side := mark.Bounds().Dx()
		require.Equal(t, watermarkSide(height), side)
		require.Zero(t, mark.RGBAAt(0, 0).A, "corners are empty")
		middle := mark.RGBAAt(side/2, side/2).A
		require.Greater(t, middle, uint8(180))
		require.Less(t, middle, uint8(250))
		require.Greater(t, bright(mark, mark.Bounds()), side*side/25, "white letters and rim")
	}
	_, err := rasterise([]byte("<svg"), 10, 10)
	require.Error(t, err)
}

// bright counts nearly white pixels.
func bright(p *image.RGBA, r image.Rectangle) int {
	n := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if c := p.RGBAAt(x, y); c.R > 150 && c.G > 150 && c.B > 150 {
				n++
			}
		}
	}
	return n
}
