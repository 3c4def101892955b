//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
	"anb/platform/ffmpeg/ffmpegtest"
)

// jsonLines are the lines of a log, each of which must be JSON.
func jsonLines(t *testing.T, text string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		lines = append(lines, m)
	}
	return lines
}

// saidOf counts the messages of the lines that carry a request's id, as each must
// that is about its task. Of a message that came too late, when the sweeper had
// sent a second one, the worker knows no more than the task's id.
func saidOf(t *testing.T, lines []map[string]any, task, request string) map[string]int {
	t.Helper()
	said := map[string]int{}
	for _, line := range lines {
		if line["task_id"] == task && line["msg"] != "nothing due, or already claimed" {
			require.Equal(t, request, line["request_id"], "%v", line)
		}
		if line["request_id"] == request {
			said[line["msg"].(string)]++
		}
	}
	return said
}

func TestObserve_OneRequestIDLeadsFromTheUploadToFfmpegAndIntoTheLogFolder(t *testing.T) {
	t.Parallel()
	logs := filepath.Join(t.TempDir(), "logs")
	f := newFleet(t, binary(t), append(quick, "ANB_PROCESSING_LEASE=30s", "ANB_LOG_FORMAT=json", "ANB_LOG_LEVEL=debug", "ANB_LOG_DIR="+logs, "ANB_MONITOR_ADDR=127.0.0.1:0")...)
	api, work, monitor := f.run("serve"), f.worker(), f.run("monitor")
	c := newClient(t, "http://"+api.said(`"msg":"serving the API","addr":"([^"]+)"`)).join("Ana", "Cali")

	const request = "0af7651916cd43dd8448eb211c80319c"
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(t, form.WriteField("title", "Triple"))
	part, err := form.CreateFormFile("video_file", "clip.mp4")
	require.NoError(t, err)
	clip, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Source: "testsrc2=s=320x240:r=30:d=2"}))
	require.NoError(t, err)
	_, err = part.Write(clip)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	status, answer, head := c.do(http.MethodPost, "/api/videos/upload", form.FormDataContentType(), &body, "X-Request-Id", request)
	require.Equal(t, http.StatusCreated, status, "%s", answer)
	require.Equal(t, request, head.Get("X-Request-Id"))
	var uploaded struct {
		VideoID string `json:"video_id"`
		TaskID  string `json:"task_id"`
	}
	require.NoError(t, json.Unmarshal(answer, &uploaded))
	c.processed(uploaded.VideoID, patience)
	f.inDatabase(func(d *database.DB) {
		var stored string
		require.NoError(t, d.Read(t.Context()).Table("jobs").Where("id = ?", uploaded.TaskID).Select("request_id").Row().Scan(&stored))
		require.Equal(t, request, stored)
	})
	base := "http://" + monitor.said(`"msg":"serving the dashboard","addr":"([^"]+)"`)
	for _, path := range []string{"/api/v1/jobs/", "/jobs/"} {
		res, err := http.Get(base + path + uploaded.TaskID)
		require.NoError(t, err)
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Contains(t, string(page), request, path)
	}
	for _, p := range []*process{api, work, monitor} {
		p.signal(sigterm)
		require.Zero(t, p.wait(time.Minute))
	}

	said := saidOf(t, jsonLines(t, api.out.String()), uploaded.TaskID, request)
	for _, msg := range []string{"video uploaded", "job queued, worker woken", "program ended", "request"} {
		require.Positive(t, said[msg], "%s of %v", msg, said)
	}
	said = saidOf(t, jsonLines(t, work.out.String()), uploaded.TaskID, request)
	require.Equal(t, []int{1, 2, 2, 1}, []int{said["job started"], said["ffmpeg started"], said["ffmpeg ended"], said["job done"]}, "%v", said)
	require.Equal(t, said["program started"], said["program ended"])
	require.Greater(t, said["program ended"], 2, "ffprobe's too")

	host, err := os.Hostname()
	require.NoError(t, err)
	address, err := url.Parse(f.url)
	require.NoError(t, err)
	password, _ := address.User.Password()
	secrets := []string{"0123456789abcdef0123456789abcdef", c.token, "StrongPass123", f.redis.URL()}
	if password != "" {
		secrets = append(secrets, password)
	}
	for role, p := range map[string]*process{"serve": api, "work": work, "monitor": monitor} {
		path := filepath.Join(logs, "anb-"+role+"-"+host+".log")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), info.Mode())
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, len(jsonLines(t, p.out.String())), len(jsonLines(t, string(data))), "the same lines as on stderr, to the last")
		for _, secret := range secrets {
			require.NotContains(t, string(data), secret)
		}
	}
}
