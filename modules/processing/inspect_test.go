package processing

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// What is refused, and why, is in the table of TestPhones.

func TestInspect_AcceptsAndDescribes(t *testing.T) {
	t.Parallel()
	webm := smallLimits()
	webm.Formats = []string{"webm"}
	vp8 := []string{"-c:v", "libvpx", "-deadline", "realtime", "-b:v", "200k"}
	tests := map[string]struct {
		spec   ffmpegtest.Spec
		limits Limits
		want   Source
	}{
		"a turned clip": {
			ffmpegtest.Spec{Rotate: 90}, smallLimits(),
			Source{Demuxer: "mov", Codec: "h264", Width: 180, Height: 320, Rotation: 90, Duration: 2 * time.Second, FPS: 30, Frames: 60, Untagged: true},
		},
		"a little too short": {
			ffmpegtest.Spec{Source: "testsrc2=s=320x180:r=20:d=0.95", Seconds: 0.5}, smallLimits(),
			Source{Demuxer: "mov", Codec: "h264", Width: 320, Height: 180, Duration: 950 * time.Millisecond, FPS: 20, Frames: 19, Untagged: true},
		},
		"QuickTime with tags": {
			ffmpegtest.Spec{Name: "clip.mov", Output: []string{"-colorspace", "bt709"}}, smallLimits(),
			Source{Demuxer: "mov", Codec: "h264", Width: 320, Height: 180, Duration: 2 * time.Second, FPS: 30, Frames: 60},
		},
		"a recording without a duration": {
			ffmpegtest.Spec{Name: "clip.webm", NoAudio: true, Codec: vp8, Output: []string{"-live", "1"}}, webm,
			Source{Demuxer: "matroska", Codec: "vp8", Width: 320, Height: 180, Duration: 2 * time.Second, FPS: 30, Frames: 60, Untagged: true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, err := NewInspector(tt.limits, installedTools(t))
			require.NoError(t, err)
			got, err := i.Inspect(t.Context(), ffmpegtest.Clip(t, tt.spec))
			require.NoError(t, err)
			require.InDelta(t, tt.want.Duration.Seconds(), got.Duration.Seconds(), 0.04)
			got.Duration = tt.want.Duration
			require.Equal(t, tt.want, got)
		})
	}
}

func TestInspect_TellsOurTroubleFromTheirs(t *testing.T) {
	t.Parallel()
	_, err := smallInspector(t).Inspect(t.Context(), "/no/such/file")
	requireReason(t, ReasonStorage, err)

	file := ffmpegtest.Write(t, "some.mp4", []byte("some"))
	broken := func(script string) *Inspector {
		tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: "/bin/true", FFprobe: ffmpegtest.Script(t, script)}, discard())
		require.NoError(t, err)
		i, err := NewInspector(smallLimits(), tools)
		require.NoError(t, err)
		return i
	}
	_, err = broken("kill -9 $$").Inspect(t.Context(), file)
	f := requireReason(t, ReasonKilled, err)
	require.Equal(t, "killed", f.Signal)
	_, err = broken("echo '[hls @ 0x1] Format not on whitelist' >&2; exit 1").Inspect(t.Context(), file)
	requireReason(t, ReasonContainerNotAllowed, err)
	_, err = broken("echo '[mov @ 0x1] Number of streams exceeds max_streams parameter (64)' >&2; echo 'some.mp4: Cannot allocate memory' >&2; exit 1").Inspect(t.Context(), file)
	require.True(t, requireReason(t, ReasonContainerNotAllowed, err).Reason.Permanent(), "memory is not the trouble")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = broken("exec sleep 100").Inspect(ctx, file)
	requireReason(t, ReasonTimeout, err)
	ended, stop := context.WithCancel(t.Context())
	stop()
	_, err = smallInspector(t).Inspect(ended, file)
	require.ErrorIs(t, err, context.Canceled)
	var none *Failure
	require.NotErrorAs(t, err, &none)
}

func TestChoose_TakesWhatAViewerCallsTheVideo(t *testing.T) {
	t.Parallel()
	rate := func(n int64) ffmpeg.Ratio { return ffmpeg.Ratio{Num: n, Den: 1} }
	tests := map[string]struct {
		streams []ffmpeg.Stream
		want    int
	}{
		"no cover": {[]ffmpeg.Stream{
			{Index: 0, Kind: "video", AttachedPic: true, Width: 3000, Height: 3000, AverageRate: rate(90000), Default: true},
			{Index: 1, Kind: "video", Width: 320, Height: 180, AverageRate: rate(30)},
		}, 1},
		"moving rather than large": {[]ffmpeg.Stream{
			{Index: 0, Kind: "video", Width: 3840, Height: 2160, AverageRate: rate(1), Default: true},
			{Index: 1, Kind: "video", Width: 1920, Height: 1080, AverageRate: rate(30)},
		}, 1},
		"the default rather than large": {[]ffmpeg.Stream{
			{Index: 0, Kind: "audio", Default: true},
			{Index: 1, Kind: "video", Width: 3840, Height: 2160, AverageRate: rate(30)},
			{Index: 2, Kind: "video", Width: 1920, Height: 1080, AverageRate: rate(30), Default: true},
		}, 2},
		"the first of equals": {[]ffmpeg.Stream{
			{Index: 3, Kind: "video", Width: 320, Height: 180}, {Index: 4, Kind: "video", Width: 320, Height: 180},
		}, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := choose(tt.streams)
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Index)
		})
	}
}

func TestLimits_ValidateAndNames(t *testing.T) {
	t.Parallel()
	require.NoError(t, contractLimits().Validate())
	err := Limits{Formats: []string{"avi"}}.Validate()
	for _, word := range []string{"max_bytes", "min_duration", "min_short_side", `"avi"`} {
		require.ErrorContains(t, err, word)
	}
	_, err = NewInspector(Limits{}, installedTools(t))
	require.Error(t, err)
	l := contractLimits()
	for name, want := range map[string]bool{"a.mp4": true, "A.MP4": true, "b.MoV": true, "c.webm": false, "mp4": false, "d.mp4.exe": false} {
		require.Equal(t, want, l.AllowsName(name), name)
	}
	require.Contains(t, l.Message(ReasonDurationTooShort), "20 segundos")
	require.Contains(t, l.Message(ReasonFileTooLarge), "100 MB")
}

func TestProbeFailure_OutOfMemoryIsTheUploadsFault(t *testing.T) {
	t.Parallel()
	exit := &ffmpeg.ExitError{Code: -1, Signal: syscall.SIGKILL, OutOfMemory: true}
	require.True(t, requireReason(t, ReasonResolutionTooLarge, probeFailure(exit)).Reason.Permanent(), "trying again is of no use")
	exit.OutOfMemory = false
	requireReason(t, ReasonKilled, probeFailure(exit))
}
