package ffmpeg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestProbe_RefusesWhatIsNoVideoFile(t *testing.T) {
	t.Parallel()
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{})
	tests := map[string]struct{ path, reason string }{
		"a playlist that names another file": {ffmpegtest.Playlist(t, clip), "not on whitelist"},
		"a concat script":                    {ffmpegtest.ConcatScript(t, clip), "not on whitelist"},
		"text":                               {ffmpegtest.Write(t, "text", []byte("hola")), "Invalid data"},
		"nothing":                            {ffmpegtest.Write(t, "empty", nil), "Invalid data"},
		"a missing file":                     {"/no/such/file", "No such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := installed(t).Probe(t.Context(), tt.path, []string{"mov"})
			exit, ok := errors.AsType[*ExitError](err)
			require.True(t, ok, "%v", err)
			require.Contains(t, exit.Tail, tt.reason)
		})
	}
}

func TestProbe_SurvivesABrokenProgram(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"no answer":         "exit 0",
		"no JSON":           "echo '<html>'",
		"half an answer":    `echo '{"format": {'`,
		"an endless answer": "yes",
		"another shape":     `echo '{"format": [], "streams": 7}'`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, ffmpegtest.Script(t, script)).Probe(t.Context(), "x", []string{"mov"})
			require.Error(t, err)
		})
	}
}

func TestProbe_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := scripted(t, ffmpegtest.Script(t, "exec sleep 1000")).Probe(ctx, "x", []string{"mov"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestProbe_AsksAgainWhenTheFileWasReplaced(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T, string) error{
		"by a rename": func(t *testing.T, path string) error {
			if err := os.WriteFile(path+".new", []byte("new"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"where there was none": func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("new"), 0o600) },
	}
	for name, replace := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if name == "by a rename" {
				require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			}
			// The first look waits until the test has replaced the file.
			ready, done := filepath.Join(dir, "ready"), filepath.Join(dir, "done")
			for _, pipe := range []string{ready, done} {
				require.NoError(t, unix.Mkfifo(pipe, 0o600))
			}
			script := ffmpegtest.Script(t, `for last; do :; done; if [ -e `+ready+` ]; then echo >`+ready+`; read x <`+done+`; fi; cat "${last#file:}" >/dev/null && echo '{"format": {"size": "3"}}'`)
			tools := scripted(t, script)
			tools.confinement.system = append(tools.confinement.system, place{ready, mayWrite}, place{done, mayRead})
			failed := make(chan error, 1)
			go func() {
				_, err := os.ReadFile(ready)
				err = errors.Join(err, replace(t, path), os.Remove(ready))
				failed <- errors.Join(err, os.WriteFile(done, []byte("x\n"), 0o600))
			}()
			info, err := tools.Probe(t.Context(), path, []string{"mov"})
			require.NoError(t, <-failed)
			require.NoError(t, err)
			require.EqualValues(t, 3, info.Size)
		})
	}
}

func TestParseInfo_TakesNothingForGranted(t *testing.T) {
	t.Parallel()
	info, err := parseInfo([]byte(`{
		"streams": [{"index": 1e400, "width": 99999999999999999999, "height": -5, "duration": "N/A", "start_time": "-inf",
			"avg_frame_rate": "0/0", "sample_aspect_ratio": "0:1", "nb_frames": "NaN", "codec_name": "unknown",
			"tags": {"a": "1", "a": "2", "n": 7}, "disposition": {"default": 1},
			"side_data_list": [{}, {"rotation": -nan}]}]}`))
	require.Error(t, err, "JSON that is none is an error, not a panic")
	info, err = parseInfo([]byte(`{
		"streams": [{"index": "x", "width": 99999999999999999999, "height": -5, "duration": "N/A", "start_time": "-inf",
			"avg_frame_rate": "0/0", "sample_aspect_ratio": "0:1", "nb_frames": "NaN", "codec_name": "unknown",
			"tags": {"a": "1", "a": "2", "n": 7}, "disposition": {"default": 1},
			"side_data_list": [{}, {"rotation": 1e300}]}],
		"format": {"duration": "1e300", "start_time": "nan", "size": "-1", "tags": null}}`))
	require.NoError(t, err)
	require.Equal(t, farFuture, info.Duration)
	require.Zero(t, info.Start)
	require.Zero(t, info.Size)
	s := info.Streams[0]
	require.Equal(t, Stream{Default: true, SAR: Ratio{0, 1}, Rotation: s.Rotation, Tags: map[string]string{"a": "2", "n": "7"}}, s)
	require.Zero(t, s.SAR.Float())
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"duration":"N/A","side_data_list":[{"rotation":"x"}]}],"format":{}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = parseInfo(data) })
}

func TestProbe_ReadsARealClip(t *testing.T) {
	t.Parallel()
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Rotate: 90, Output: []string{"-metadata", "title=uno"}})
	info, err := installed(t).Probe(t.Context(), path, []string{"mov"})
	require.NoError(t, err)
	require.Contains(t, info.Format, "mp4")
	require.Positive(t, info.Size)
	require.Equal(t, "uno", info.Tags["title"])
	require.Len(t, info.Streams, 2)
	v := info.Streams[0]
	require.Equal(t, "video", v.Kind)
	require.Equal(t, "h264", v.Codec)
	require.Equal(t, 320, v.Width)
	require.Equal(t, 90, v.Rotation)
	require.Equal(t, Ratio{30, 1}, v.AverageRate)
	require.Equal(t, 2*time.Second, v.Duration)
	require.EqualValues(t, 60, v.Frames)
	require.Len(t, v.ExtradataHash, 64)
	require.False(t, v.AttachedPic)
	require.Equal(t, "audio", info.Streams[1].Kind)
}

func TestScan_MeasuresPackets(t *testing.T) {
	t.Parallel()
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 3})
	extent, err := installed(t).Scan(t.Context(), path, []string{"mov"}, 0)
	require.NoError(t, err)
	require.EqualValues(t, 90, extent.Packets)
	require.Equal(t, 3*time.Second, extent.Duration().Round(time.Millisecond))
	extent, err = installed(t).Scan(t.Context(), path, []string{"mov"}, 9)
	require.NoError(t, err)
	require.Zero(t, extent)
}

func TestQuarter_RoundsToQuarterTurns(t *testing.T) {
	t.Parallel()
	for degrees, want := range map[float64]int{0: 0, 90: 90, -90: 270, 180: 180, -180: 180, 270: 270, 360: 0, 89.6: 90, -0.4: 0} {
		require.Equal(t, want, quarter(degrees), "%v degrees", degrees)
	}
}
