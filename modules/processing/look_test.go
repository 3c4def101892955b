package processing

import (
	"bytes"
	"image"
	"image/png"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// phoneWidth is how wide the video is on a phone held upright, in CSS pixels.
const phoneWidth = 390.0

// lookEncoder makes pictures of the size that players see.
func lookEncoder(t *testing.T) *Encoder {
	t.Helper()
	e, err := NewEncoder(contractEncoderConfig(), installedTools(t), t.TempDir(), discard())
	require.NoError(t, err)
	return e
}

func TestLook_OfTheCards(t *testing.T) {
	t.Parallel()
	e := lookEncoder(t)
	require.NoError(t, e.Prepare(t.Context()))
	art := e.artwork()
	e.config.PlayerCard = true
	player, err := e.openingFor(t.Context(), Job{Dir: t.TempDir(), Player: "José Ñúñez", City: "Bogotá"}, art)
	require.NoError(t, err)
	require.NotEqual(t, art.opening, player)
	const width, height = 320, 180
	for name, path := range map[string]string{"opening.jpg": art.opening, "closing.jpg": art.closing, "player.jpg": player} {
		frames := ffmpegtest.Frames(t, path, width, height)
		require.Len(t, frames, 75)
		requireCalm(t, name, frames)
		s := sheet{columns: 3}
		for _, part := range []float64{0.08, 0.16, 0.24, 0.34, 0.6, 0.91} {
			s.pictures = append(s.pictures, frameImage(frames[int(part*float64(len(frames)))], width, height))
		}
		requireSheet(t, name, s)
	}
}

// requireCalm checks that a card comes out of the dark and goes back into it
// without a flash, and rests for a second meanwhile.
func requireCalm(t *testing.T, name string, frames [][]byte) {
	t.Helper()
	lights := make([]float64, len(frames))
	for i, f := range frames {
		lights[i] = light(f)
	}
	require.Less(t, lights[0], 0.002, "%s begins in the dark", name)
	require.Less(t, lights[len(lights)-1], 0.002, "%s ends in the dark", name)
	middle := len(lights) / 2
	require.Greater(t, lights[middle], 0.03, "%s shows something", name)
	for i := 1; i < len(lights); i++ {
		fall := lights[i-1] - lights[i]
		if i > middle {
			fall = -fall
		}
		require.Less(t, fall, 0.005, "%s flickers at picture %d", name, i)
	}
	for i := len(frames) * 47 / 100; i < len(frames)*79/100; i++ {
		require.Less(t, meanDifference(frames[i], frames[middle]), 1.0, "%s rests at picture %d", name, i)
	}
}

// light is the mean luminance of a picture. Loops over so many pixels are kept
// from the race detector, which makes them ten times slower.
//
//go:norace
func light(rgb []byte) float64 {
	sum := 0.0
	for k := 0; k < len(rgb); k += 3 {
		sum += luminance(rgb[k], rgb[k+1], rgb[k+2])
	}
	return sum / float64(len(rgb)/3)
}

//go:norace
func meanDifference(a, b []byte) float64 {
	total := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		total += max(d, -d)
	}
	return float64(total) / float64(len(a))
}

func TestLook_IsLegibleAndSafe(t *testing.T) {
	t.Parallel()
	long := card{title: openingCard().title, subtitle: openingCard().subtitle, player: "María de los Ángeles Fernández-Wojciechowska y Quintero", city: "San Pedro y San Pablo Ayutla de los Mixes y Alrededores"}
	cards := map[string]card{"opening": openingCard(), "closing": closingCard(), "player": long}
	for _, size := range []image.Point{{1280, 720}, {320, 180}, {180, 320}, {64, 64}, {1920, 1920}} {
		c := contractEncoderConfig()
		c.Width, c.Height = size.X, size.Y
		for name, says := range cards {
			layers, err := c.stage().compose(says, make(composition, groundLayers))
			require.NoError(t, err)
			require.Len(t, layers[groundLayers:], map[string]int{"opening": 4, "closing": 5, "player": 5}[name])
			for i, l := range layers[groundLayers:] {
				box := image.Rectangle{l.at, l.at.Add(l.size)}
				require.True(t, box.In(c.titleSafe()), "layer %d of %s at %v is outside the safe area at %v", i, name, box, size)
			}
		}
	}
	c := contractEncoderConfig()
	onPhone := func(pixels int) float64 { return float64(pixels) * phoneWidth / float64(c.Width) }
	for name, want := range map[string]struct{ title, subtitle int }{"opening": {1, 3}, "closing": {2, 4}, "player": {1, 2}} {
		layers, err := c.stage().compose(cards[name], make(composition, groundLayers))
		require.NoError(t, err)
		layers = layers[groundLayers:]
		require.GreaterOrEqual(t, onPhone(ink(t, layers[want.title])), 9.0, "capitals of the title on the %s card, in CSS pixels", name)
		require.GreaterOrEqual(t, onPhone(ink(t, layers[want.subtitle])), 7.0, "capitals of the subtitle on the %s card, in CSS pixels", name)
	}
}

// ink is how many rows of a line of text are drawn on.
func ink(t *testing.T, l layer) (rows int) {
	t.Helper()
	p, err := png.Decode(bytes.NewReader(l.png))
	require.NoError(t, err)
	for y := range l.size.Y {
		for x := range l.size.X {
			if _, _, _, a := p.At(x, y).RGBA(); a > 0x8000 {
				rows++
				break
			}
		}
	}
	return rows
}

func TestPrepare_MakesCardsOfAnySizeRateAndLength(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*EncoderConfig){
		"one picture":    func(c *EncoderConfig) { c.Width, c.Height, c.FPS, c.CardLength = 64, 64, 1, time.Second },
		"upright at 60":  func(c *EncoderConfig) { c.Width, c.Height, c.FPS = 180, 320, 60 },
		"too short, odd": func(c *EncoderConfig) { c.Width, c.Height, c.CardLength = 322, 182, 200*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := smallConfig()
			change(&c)
			e, err := NewEncoder(c, installedTools(t), t.TempDir(), discard())
			require.NoError(t, err)
			require.NoError(t, e.Prepare(t.Context()))
			require.NotEmpty(t, e.artwork().extradata)
			frames := ffmpegtest.Frames(t, e.artwork().opening, c.Width, c.Height)
			require.Len(t, frames, int(c.frames(c.CardLength)))
			require.Greater(t, spread(frames[len(frames)/2], c.Width, image.Rect(0, 0, c.Width, c.Height)), 150, "words or logo")
			entries, err := filepath.Glob(filepath.Join(filepath.Dir(e.artwork().opening), "*"))
			require.NoError(t, err)
			require.Len(t, entries, 3, "no layers are left")
		})
	}
}
