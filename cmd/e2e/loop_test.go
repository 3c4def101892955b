//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// The whole loop with the product's own limits, once with all roles in one
// process and once with each in its own.
func TestLoop(t *testing.T) {
	t.Parallel()
	clip := ffmpegtest.FullHD(t, t.TempDir(), 30)

	t.Run("dev, without servers", func(t *testing.T) {
		dir := t.TempDir()
		p := start(t, binary(t), dir, []string{"ANB_HTTP_ADDR=127.0.0.1:0", "ANB_ENCODER_PRESET=superfast"}, "dev")
		loop(t, newClient(t, p.base()), clip)
		p.signal(syscall.SIGINT)
		require.Zero(t, p.wait(5*time.Second))
		requireNoStrays(t, dir, time.Second)
	})
	t.Run("separate roles on PostgreSQL and Redis", func(t *testing.T) {
		f := newFleet(t, binary(t))
		api := f.run("serve")
		work := f.worker("--concurrency=2", "--queues=video_queue")
		loop(t, newClient(t, api.base()), clip)
		work.signal(syscall.SIGTERM)
		api.signal(syscall.SIGTERM)
		require.Zero(t, work.wait(10*time.Second))
		require.Zero(t, api.wait(10*time.Second))
		f.requireTidy(2)
	})
}

func loop(t *testing.T, c *client, clip string) {
	ana, luis := c.join("Ana", "Bogotá"), c.join("Luis", "Cali")
	id := ana.upload("Mi mejor jugada", clip)

	var seen []float64
	v := ana.until(id, patience, func(v map[string]any) bool {
		if p := v["progress"].(float64); len(seen) == 0 || p != seen[len(seen)-1] {
			seen = append(seen, p)
		}
		return v["status"] == "processed" || v["status"] == "failed"
	})
	require.Equal(t, "processed", v["status"], "%v", v)
	require.True(t, slices.IsSorted(seen), "progress only rises: %v", seen)
	between := slices.DeleteFunc(slices.Clone(seen), func(p float64) bool { return p <= 0 || p >= 100 })
	require.GreaterOrEqual(t, len(between), 5, "%v", seen)
	require.Equal(t, 100.0, v["progress"])

	requirePublishable(t, c.save(v["processed_url"].(string)))
	original, err := os.ReadFile(c.save(v["original_url"].(string) + "#.mp4"))
	require.NoError(t, err)
	sent, err := os.ReadFile(clip)
	require.NoError(t, err)
	require.Equal(t, sum(sent), sum(original), "the original is kept as it came")

	plain := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: "color=c=navy:s=1920x1080:r=30:d=20", NoAudio: true})
	second := luis.upload("Triple", plain)
	luis.processed(second, patience)
	vote := func(who *client, video string) {
		who.object(http.StatusOK, http.MethodPost, "/api/public/videos/"+video+"/vote", nil)
	}
	vote(ana, id)
	vote(ana, second)
	require.Equal(t, []string{"1 Ana Prueba 1", "2 Luis Prueba 1"}, ranking(c, ""), "who reached the total first leads")
	vote(luis, second)
	require.Equal(t, []string{"1 Luis Prueba 2", "2 Ana Prueba 1"}, ranking(c, ""))
	require.Equal(t, []string{"1 Ana Prueba 1"}, ranking(c, "?city=bogota"))
	again := luis.object(http.StatusBadRequest, http.MethodPost, "/api/public/videos/"+second+"/vote", nil)
	require.Equal(t, "ALREADY_VOTED", again["code"])
	list := c.array("/api/public/videos?sort=votes")
	require.Len(t, list, 2)
	require.Equal(t, second, list[0]["video_id"])
	require.Equal(t, 2.0, list[0]["votes"])
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func ranking(c *client, query string) (lines []string) {
	for _, r := range c.array("/api/public/rankings" + query) {
		lines = append(lines, strconv.Itoa(int(r["position"].(float64)))+" "+r["username"].(string)+" "+strconv.Itoa(int(r["votes"].(float64))))
	}
	return lines
}

// requirePublishable checks a published 30 s clip with ffprobe and a full
// decode.
func requirePublishable(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path).Output()
	require.NoError(t, err)
	var info struct {
		Streams []struct {
			CodecName    string `json:"codec_name"`
			Profile      string `json:"profile"`
			PixFmt       string `json:"pix_fmt"`
			Width        int    `json:"width"`
			Height       int    `json:"height"`
			SAR          string `json:"sample_aspect_ratio"`
			FrameRate    string `json:"avg_frame_rate"`
			NbReadFrames string `json:"nb_read_frames"`
		} `json:"streams"`
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
	}
	require.NoError(t, json.Unmarshal(out, &info))
	require.Len(t, info.Streams, 1, "no sound")
	s := info.Streams[0]
	require.Equal(t, []any{"h264", "High", "yuv420p", 1280, 720, "1:1", "30/1", "1050"},
		[]any{s.CodecName, s.Profile, s.PixFmt, s.Width, s.Height, s.SAR, s.FrameRate, s.NbReadFrames})
	require.Equal(t, "35.000000", info.Format.Duration)
	complaints, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-").CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(complaints))
}
