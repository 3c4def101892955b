package processing

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// good is what ffprobe says of a right result of a second.
func good() ffmpeg.Info {
	return ffmpeg.Info{
		Format: "mov,mp4", Duration: time.Second, Tags: map[string]string{"encoder": "Lavf"},
		Streams: []ffmpeg.Stream{{
			Kind: "video", Codec: "h264", Profile: "High", PixFmt: "yuv420p", Width: 320, Height: 180,
			SAR: ffmpeg.Ratio{Num: 1, Den: 1}, AverageRate: ffmpeg.Ratio{Num: 30, Den: 1}, BaseRate: ffmpeg.Ratio{Num: 30, Den: 1},
			Duration: time.Second, Frames: 30, ColorSpace: "bt709", ColorTransfer: "bt709", Tags: map[string]string{"handler_name": "VideoHandler"},
		}},
	}
}

func TestExpectation_FindsEveryDifference(t *testing.T) {
	t.Parallel()
	want := smallConfig().expect(30)
	require.NoError(t, want.matches(good()))
	tests := map[string]func(*ffmpeg.Info, *ffmpeg.Stream){
		"streams":         func(i *ffmpeg.Info, _ *ffmpeg.Stream) { i.Streams = append(i.Streams, ffmpeg.Stream{Kind: "audio"}) },
		"0 streams":       func(i *ffmpeg.Info, _ *ffmpeg.Stream) { i.Streams = nil },
		"kind":            func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Kind = "audio" },
		"codec":           func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Codec = "hevc" },
		"profile":         func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Profile = "High 10" },
		"pixel format":    func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.PixFmt = "yuv420p10le" },
		"width":           func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Width = 318 },
		"height":          func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Height = 182 },
		"pixel shape":     func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.SAR = ffmpeg.Ratio{Num: 4, Den: 3} },
		"rotation":        func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Rotation = 90 },
		"frame rate":      func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.AverageRate = ffmpeg.Ratio{Num: 25, Den: 1} },
		"base rate":       func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.BaseRate = ffmpeg.Ratio{Num: 60, Den: 1} },
		"frames":          func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Frames = 29 },
		"colour matrix":   func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.ColorSpace = "" },
		"colour transfer": func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.ColorTransfer = "arib-std-b67" },
		"start":           func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Start = time.Millisecond },
		"duration is 2s":  func(i *ffmpeg.Info, _ *ffmpeg.Stream) { i.Duration = 2 * time.Second },
		"duration is 0s":  func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Duration = 0 },
		`tag "location"`:  func(i *ffmpeg.Info, _ *ffmpeg.Stream) { i.Tags["location"] = "+04-074/" },
		`tag "rotate"`:    func(_ *ffmpeg.Info, s *ffmpeg.Stream) { s.Tags["rotate"] = "90" },
	}
	for what, change := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			bad := good()
			change(&bad, &bad.Streams[0])
			require.ErrorContains(t, want.matches(bad), what)
		})
	}
}

func TestCheck_RefusesBadResults(t *testing.T) {
	t.Parallel()
	out := encoded(t, ffmpegtest.Clip(t, ffmpegtest.Spec{}), 0)
	video, err := os.ReadFile(out.Video.Path)
	require.NoError(t, err)
	poster, err := os.ReadFile(out.Poster.Path)
	require.NoError(t, err)
	remuxed := func(args ...string) []byte {
		path := filepath.Join(t.TempDir(), "remuxed.mp4")
		ffmpegtest.FFmpeg(t, append(append([]string{"-i", out.Video.Path, "-c", "copy"}, args...), path)...)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	tests := map[string]struct {
		video, poster []byte
		want          string
	}{
		"nothing":             {nil, poster, "Invalid data"},
		"a few bytes":         {video[:10], poster, "exit code"},
		"half of it":          {video[:len(video)/2], poster, "the file ends at"},
		"all but a byte":      {video[:len(video)-1], poster, "the file ends at"},
		"the index behind":    {remuxed(), poster, "moov comes after mdat"},
		"a place":             {remuxed("-movflags", "+faststart", "-metadata", "location=+04.6097-074.0817/"), poster, `tag "location`},
		"an earlier end":      {remuxed("-movflags", "+faststart", "-t", "2"), poster, "frames is"},
		"no poster":           {video, nil, "decode poster"},
		"half a poster":       {video, poster[:len(poster)/2], "decode poster"},
		"the video as poster": {video, video, "decode poster"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, videoName), tt.video, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, posterName), tt.poster, 0o600))
			r := &run{Encoder: smallEncoder(t), job: Job{Dir: dir}}
			err := r.check(t.Context(), out.Frames)
			f := requireReason(t, ReasonEncoderFailed, err)
			require.Contains(t, f.Error()+f.Tail, tt.want)
		})
	}
	t.Run("and accepts the good one", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, videoName), video, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, posterName), poster, 0o600))
		r := &run{Encoder: smallEncoder(t), job: Job{Dir: dir}}
		require.NoError(t, r.check(t.Context(), out.Frames))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, r.check(ended, out.Frames), context.Canceled)
	})
}

func box(kind string, length uint32, content int) string {
	return string(binary.BigEndian.AppendUint32(nil, length)) + kind + strings.Repeat("x", content)
}

func TestTopBoxes_TrustsNoLength(t *testing.T) {
	t.Parallel()
	large := box("mdat", 1, 0) + string(binary.BigEndian.AppendUint64(nil, 20)) + "1234"
	tests := map[string]struct {
		data string
		want []string // nil: an error
	}{
		"ordinary":           {box("ftyp", 12, 4) + box("moov", 8, 0) + box("mdat", 10, 2), []string{"ftyp", "moov", "mdat"}},
		"64 bits":            {box("ftyp", 8, 0) + large, []string{"ftyp", "mdat"}},
		"to the end":         {box("ftyp", 8, 0) + box("mdat", 0, 5), []string{"ftyp", "mdat"}},
		"too short a length": {box("ftyp", 7, 8), nil},
		"beyond the end":     {box("ftyp", 17, 8), nil},
		"a cut head":         {box("ftyp", 8, 0) + "abc", nil},
		"64 bits, cut":       {box("mdat", 1, 3), nil},
		"64 bits, negative":  {box("mdat", 1, 0) + "\xff\xff\xff\xff\xff\xff\xff\xff", nil},
		"endless boxes":      {strings.Repeat(box("free", 8, 0), 65), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := topBoxes(strings.NewReader(tt.data), int64(len(tt.data)))
			if tt.want == nil {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestCheckLayout_KnowsTheOrder(t *testing.T) {
	t.Parallel()
	ftyp, moov, mdat := box("ftyp", 8, 0), box("moov", 8, 0), box("mdat", 8, 0)
	for data, want := range map[string]string{
		ftyp + mdat + moov: "moov comes after", moov + mdat: "do not begin", ftyp + moov: "lack", ftyp + mdat: "lack", "": "do not begin",
	} {
		require.ErrorContains(t, checkLayout(ffmpegtest.Write(t, "v.mp4", []byte(data))), want)
	}
	require.NoError(t, checkLayout(ffmpegtest.Write(t, "v.mp4", []byte(ftyp+moov+mdat))))
	require.ErrorIs(t, checkLayout("/no/such/file"), os.ErrNotExist)
}
