package processing

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestEncode_ShowsAnyShapeUprightAndUndistorted(t *testing.T) {
	t.Parallel()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "12"}
	tests := map[string]struct {
		spec   ffmpegtest.Spec
		aspect float64
	}{
		"landscape":            {ffmpegtest.Spec{Source: corners(320, 180)}, 16.0 / 9},
		"native portrait":      {ffmpegtest.Spec{Source: corners(180, 320)}, 9.0 / 16},
		"wide":                 {ffmpegtest.Spec{Source: corners(470, 200)}, 2.35},
		"a phone held upright": {ffmpegtest.Spec{Source: corners(180, 320), Filter: "transpose=clock", Rotate: 90}, 9.0 / 16},
		"a phone turned over":  {ffmpegtest.Spec{Source: corners(180, 320), Filter: "transpose=cclock", Rotate: 270}, 9.0 / 16},
		"a phone upside down":  {ffmpegtest.Spec{Source: corners(320, 180), Filter: "hflip,vflip", Rotate: 180, NoAudio: true}, 16.0 / 9},
		"wide pixels":          {ffmpegtest.Spec{Source: corners(320, 180), Filter: "scale=240:180,setsar=4/3"}, 16.0 / 9},
		"odd sizes in 4:4:4": {ffmpegtest.Spec{
			Source: corners(641, 361), Codec: append(x264, "-pix_fmt", "yuv444p"), Name: "clip.mov",
		}, 641.0 / 361},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.spec.Codec == nil {
				tt.spec.Codec = x264
			}
			out := encoded(t, ffmpegtest.Clip(t, tt.spec), 0)
			require.False(t, out.SinglePass)
			require.EqualValues(t, clipFrames+2*cardFrames, out.Frames)
			requireUpright(t, pictures(t, out)[cardFrames+clipFrames/2], tt.aspect)
		})
	}
}

func TestEncode_PutsCardsAroundAndAWatermarkOn(t *testing.T) {
	t.Parallel()
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: "color=black:s=320x180:r=30:d=2"})
	all := pictures(t, encoded(t, path, 0))
	for name, i := range map[string]int{"opening": cardFrames / 2, "closing": len(all) - 1 - cardFrames/2} {
		card := all[i]
		require.True(t, card.at(testWidth-4, 8).near(pixel{0xD9, 0x50, 0x0B}), "%s card: orange corner, not %v", name, card.at(testWidth-4, 8))
		require.True(t, card.at(8, 8).near(pixel{0x08, 0x14, 0x2E}), "%s card: navy ground, not %v", name, card.at(8, 8))
		require.Greater(t, lit(card, testWidth*3/8, testHeight*2/8, testWidth*5/8, testHeight*4/8), 500, "%s card: logo", name)
	}
	require.False(t, bytes.Equal(all[cardFrames/2], all[len(all)-1-cardFrames/2]), "the cards differ")
	require.Zero(t, lit(all[0], 0, 0, testWidth, testHeight), "the opening card fades in")

	margin, side := testHeight/30, watermarkSide(testHeight)
	for _, i := range []int{cardFrames, cardFrames + clipFrames/2, cardFrames + clipFrames - 1} {
		body := all[i]
		mark := lit(body, testWidth-margin-side, margin, testWidth-margin, margin+side)
		require.Greater(t, mark, side*side/4, "watermark on picture %d", i)
		require.Zero(t, lit(body, 0, 0, testWidth-margin-side-8, testHeight), "nothing elsewhere on picture %d", i)
	}
}

// lit counts the pixels of a rectangle that are clearly not black.
func lit(p picture, left, top, right, bottom int) int {
	n := 0
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			if c := p.at(x, y); c[0]+c[1]+c[2] > 150 {
				n++
			}
		}
	}
	return n
}

func TestEncode_LeavesNothingOfTheOriginalsMetadata(t *testing.T) {
	t.Parallel()
	secrets := []string{"+04.6097", "ana@example.com", "Pixel 99"}
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Output: []string{
		"-metadata", "comment=ana@example.com", "-metadata:s:v", "handler_name=Pixel 99",
		"-metadata", "location=+04.6097-074.0817/",
	}, Name: "clip.mov", Width: 320, Height: 240})
	original, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, secret := range secrets {
		require.True(t, bytes.Contains(original, []byte(secret)), "the upload tells %q", secret)
	}
	out := encoded(t, path, 0)
	for _, file := range []File{out.Video, out.Poster} {
		data, err := os.ReadFile(file.Path)
		require.NoError(t, err)
		require.EqualValues(t, len(data), file.Size)
		for _, secret := range secrets {
			require.False(t, bytes.Contains(data, []byte(secret)), "%s tells %q", file.Path, secret)
		}
	}
}
