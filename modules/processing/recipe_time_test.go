package processing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

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

func TestEncode_BeginsAtTheExactPicture(t *testing.T) {
	t.Parallel()
	// A key picture only every second, and B-frames, as cameras do.
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{
		Source: counter(120), Seconds: 4,
		Codec: []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "15", "-g", "30", "-bf", "2"},
	})
	// The beginning and the bounds are in TestPlan.
	tests := map[string]struct {
		start       time.Duration
		first, last int
		begin       time.Duration
	}{
		"between key pictures":              {1500 * time.Millisecond, 45, 104, 1500 * time.Millisecond},
		"between two pictures, at the next": {1234 * time.Millisecond, 38, 97, 1234 * time.Millisecond},
		"too late, so that enough remains":  {3500 * time.Millisecond, 60, 119, 2 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := encoded(t, path, tt.start)
			require.Equal(t, upTo(tt.first, tt.last), numbers(t, out))
			require.Equal(t, tt.begin, out.Start)
			require.Equal(t, 3*time.Second, out.Duration)
		})
	}
}

func TestEncode_UsesAllOfAShortClip(t *testing.T) {
	t.Parallel()
	out := encoded(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Source: counter(37), Seconds: 2}), 500*time.Millisecond)
	require.Equal(t, upTo(0, 36), numbers(t, out))
	require.EqualValues(t, 37+2*cardFrames, out.Frames)
}

func TestEncode_SkipsTheGapBeforeALateTrack(t *testing.T) {
	t.Parallel()
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: counter(60), Filter: "setpts=PTS+1/TB", Seconds: 3})
	source, err := smallInspector(t).Inspect(t.Context(), path)
	require.NoError(t, err)
	require.InDelta(t, 1, source.Offset.Seconds(), 0.05)
	require.InDelta(t, 2, source.Duration.Seconds(), 0.05)
	require.Equal(t, upTo(0, 59), numbers(t, encoded(t, path, 0)), "no frozen picture, none lost")
}

func TestEncode_MakesAnyRateConstant(t *testing.T) {
	t.Parallel()
	quick := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	tests := map[string]ffmpegtest.Spec{
		"variable":     {Filter: "select='lt(n,20)+not(mod(n,3))'", Output: []string{"-fps_mode", "vfr"}},
		"film":         {FPS: "24000/1001"},
		"slow motion":  {FPS: "240"},
		"a slow show":  {FPS: "4", Seconds: 3},
		"interlaced":   {FPS: "60", Filter: "interlace", Codec: append(quick, "-flags", "+ilme+ildct", "-x264opts", "tff=1")},
		"in fragments": {Output: []string{"-movflags", "+frag_keyframe+empty_moov"}},
		"index behind": {MoovAtEnd: true},
	}
	for name, spec := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := encoded(t, ffmpegtest.Clip(t, spec), 0)
			require.InDelta(t, clipFrames, float64(out.Frames-2*cardFrames), 2)
			require.LessOrEqual(t, out.Frames, int64(clipFrames+2*cardFrames), "never longer than the clip may be")
		})
	}
}

func TestEncode_MapsWideColoursToOrdinaryOnes(t *testing.T) {
	t.Parallel()
	hevc := func(transfer string) []string {
		return []string{
			"-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params",
			"log-level=error:colorprim=bt2020:transfer=" + transfer + ":colormatrix=bt2020nc:range=limited",
			"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc",
		}
	}
	for _, transfer := range []string{"arib-std-b67", "smpte2084"} {
		t.Run(transfer, func(t *testing.T) {
			t.Parallel()
			path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: corners(320, 180), Codec: hevc(transfer)})
			source, err := smallInspector(t).Inspect(t.Context(), path)
			require.NoError(t, err)
			require.True(t, source.HDR())
			require.Equal(t, transfer, source.Transfer)
			out := encoded(t, path, 0) // which checks that it is 8 bits and tagged bt709
			p := pictures(t, out)[cardFrames+30]
			disc, ground := p.at(testWidth/2, testHeight/2), p.at(testWidth/2, 10)
			require.Greater(t, disc[1], ground[1]+40, "light stays lighter than dark")
			corner := p.at(20, 20)
			require.Greater(t, corner[0], corner[1]+40, "red stays red")
		})
	}
}
