package processing

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// graphicsCard is an ffmpeg as on a machine with an NVIDIA card: real work, done
// by x264. It refuses when its arguments match a pattern of the shell.
func graphicsCard(t *testing.T, refuse string) *ffmpeg.Tools {
	t.Helper()
	script := `
case "$*" in
` + refuse + `) echo "[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10)" >&2; exit 1;;
*h264_vaapi*) echo "No VA display found" >&2; exit 1;;
*h264_nvenc*) ;;
*) exec ffmpeg "$@";;
esac
for a; do
	shift
	case "$skip$a" in
	skip*) skip=;;
	h264_nvenc) set -- "$@" libx264 -x264-params stitchable=1:chromaloc=0;;
	-rc | -cq | -b:v) skip=skip;;
	p5) set -- "$@" veryfast;;
	*) set -- "$@" "$a";;
	esac
done
exec ffmpeg "$@"`
	tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: ffmpegtest.Script(t, script), FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	return tools
}

func TestOpenEncoder_ChoosesHardwareThatWorks(t *testing.T) {
	t.Parallel()
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "session.mp4"})
	cache := t.TempDir()
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(cache, "[a-z]*-*"))
		require.NoError(t, err)
		require.Empty(t, left, "trials and half-made cards are removed")
	})
	const never, always = "never", "*h264_nvenc*"
	tests := map[string]struct {
		codec, refuse string
		chosen, used  string
	}{
		"present":                    {AnyCodec, never, "h264_nvenc", "h264_nvenc"},
		"present but not asked for":  {software, never, software, software},
		"absent":                     {AnyCodec, always, software, software},
		"asked for by name":          {"h264_nvenc", never, "h264_nvenc", "h264_nvenc"},
		"all its sessions are taken": {AnyCodec, "*" + filepath.Base(clip) + "*h264_nvenc*", "h264_nvenc", software},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := smallConfig()
			c.Codec = tt.codec
			e, err := OpenEncoder(t.Context(), c, graphicsCard(t, tt.refuse), cache, discard())
			require.NoError(t, err)
			require.Equal(t, tt.chosen, e.Codec())
			source, err := smallInspector(t).Inspect(t.Context(), clip)
			require.NoError(t, err)
			var percents []float64
			out, err := e.Encode(t.Context(), Job{Path: clip, Source: source, Dir: t.TempDir()}, func(_ Stage, p, _ float64) { percents = append(percents, p) })
			require.NoError(t, err)
			require.Equal(t, tt.used, out.Codec)
			require.EqualValues(t, clipFrames+2*cardFrames, out.Frames)
			require.IsNonDecreasing(t, percents)
		})
	}
}

func TestOpenEncoder_SaysThatACodecAskedForDoesNotWork(t *testing.T) {
	t.Parallel()
	for name, tools := range map[string]*ffmpeg.Tools{"h264_nvenc": graphicsCard(t, "*h264_nvenc*"), "h264_vaapi": graphicsCard(t, "never")} {
		c := smallConfig()
		c.Codec = name
		_, err := OpenEncoder(t.Context(), c, tools, t.TempDir(), discard())
		require.ErrorContains(t, err, "encoder.codec "+name+" does not work here; use auto or libx264")
	}
	c := smallConfig()
	c.Codec = "h265"
	_, err := OpenEncoder(t.Context(), c, installedTools(t), t.TempDir(), discard())
	require.ErrorContains(t, err, "codec")
}

func TestEncoders_LeaveRefusalsOfTheUploadAlone(t *testing.T) {
	t.Parallel()
	c := smallConfig()
	c.Codec = AnyCodec
	e, err := OpenEncoder(t.Context(), c, graphicsCard(t, "never"), t.TempDir(), discard())
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = e.Encode(t.Context(), Job{Path: ffmpegtest.Write(t, "text.mp4", []byte("esto no es un video")), Source: accepted(), Dir: dir}, nil)
	requireReason(t, ReasonCorruptStream, err)
	require.NoDirExists(t, filepath.Join(dir, software), "x264 was not asked")
}
