//go:build e2e

package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// Odd files through the whole product; the pixels are checked where the recipe
// is tested.
func TestInputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, binary(t), dir, append([]string{"ANB_HTTP_ADDR=127.0.0.1:0", "ANB_WORK_CONCURRENCY=2"}, quick...), "dev")
	c := newClient(t, p.base()).join("Ana", "Cali")
	secret := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 3})
	tests := map[string]struct {
		file   string
		code   string // refused at once, or on the video when it starts with "later "
		status int
	}{
		"a phone's rotated clip": {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Name: "a.mov", Seconds: 2, Rotate: 90, Output: []string{"-metadata", "location=+04.6097-074.0817/"}})},
		"portrait":               {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Width: 180, Height: 320, Seconds: 2})},
		"without sound":          {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2, NoAudio: true})},
		"an odd size": {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Width: 641, Height: 361, Seconds: 2,
			Codec: []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p"}})},
		"the index at the end":     {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2, MoovAtEnd: true})},
		"cut off":                  {file: ffmpegtest.Truncated(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 4}), 0.3), code: "later TRUNCATED"},
		"cut off before its index": {file: ffmpegtest.Truncated(t, ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 4, MoovAtEnd: true}), 0.5), code: "NOT_A_VIDEO"},
		"a playlist in disguise":   {file: ffmpegtest.Playlist(t, secret), code: "CONTAINER_NOT_ALLOWED"},
		"a script in disguise":     {file: ffmpegtest.ConcatScript(t, secret), code: "CONTAINER_NOT_ALLOWED"},
		"too short":                {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 0.5}), code: "DURATION_TOO_SHORT"},
		"too long":                 {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 21, FPS: "5"}), code: "DURATION_TOO_LONG"},
		"too small":                {file: ffmpegtest.Clip(t, ffmpegtest.Spec{Width: 160, Height: 90, Seconds: 2}), code: "RESOLUTION_TOO_LOW"},
		"text":                     {file: ffmpegtest.Write(t, "text.mp4", []byte("no soy un video")), code: "NOT_A_VIDEO"},
		"nothing":                  {file: ffmpegtest.Write(t, "empty.mp4", nil), code: "EMPTY_FILE"},
		"another ending":           {file: ffmpegtest.Write(t, "clip.exe", []byte("x")), code: "CONTAINER_NOT_ALLOWED"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			status, out := c.form("/api/videos/upload", tt.file, map[string]string{"title": name})
			later, onVideo := strings.CutPrefix(tt.code, "later ")
			if tt.code != "" && !onVideo {
				require.Equal(t, http.StatusBadRequest, status, "%v", out)
				require.Equal(t, tt.code, out["code"])
				require.NotEmpty(t, out["detail"])
				return
			}
			require.Equal(t, http.StatusCreated, status, "%v", out)
			id := out["video_id"].(string)
			if onVideo {
				v := c.until(id, patience, func(v map[string]any) bool { return v["status"] == "failed" || v["status"] == "processed" })
				require.Equal(t, later, v["failure_code"], "%v", v)
				return
			}
			v := c.processed(id, patience)
			out2, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_type,width,height,sample_aspect_ratio:format_tags",
				"-of", "compact=p=0:nk=1", c.save(v["processed_url"].(string))).Output()
			require.NoError(t, err)
			require.Contains(t, string(out2), "video|320|180|1:1")
			require.NotContains(t, string(out2), "audio")
			require.NotContains(t, string(out2), "location")
		})
	}
	p.signal(2)
	require.Zero(t, p.wait(5*time.Second))
	requireNoStrays(t, dir, time.Second)
}
