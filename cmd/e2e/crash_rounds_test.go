//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
	"anb/platform/ffmpeg/ffmpegtest"
)

// crashLab is where one point is tried: a fleet with a server that lives all
// the time, beside which others die, and the notes of its clients.
type crashLab struct {
	*fleet
	outcome
	point crash.Point
	api   *process
	ana   *client // at the living server
	clip  []byte

	uploads []noted
	deleted []string // videos that a client was told are gone
	votes   int      // that a client was told count
	open    []opened // uploads whose worker was killed
	voted   string   // the video that the votes are for
}

// noted is an upload as its client remembers it.
type noted struct{ video, key, sha256 string }

// opened is a video that was acknowledged, and since when its work lies idle;
// zero: nobody died of it.
type opened struct {
	video string
	since time.Time
}

func newCrashLab(t *testing.T, p crash.Point, settings []string) *crashLab {
	t.Helper()
	settings = append(slices.Clone(settings), "ANB_PROCESSING_LEASE=1500ms", "ANB_PROCESSING_HEARTBEAT=500ms", "ANB_ENCODER_CODEC=libx264",
		"GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0") // the race detector would rest for a second at each end
	l := &crashLab{fleet: newFleet(t, binary(t), settings...), point: p}
	l.api = l.run("serve")
	l.ana = newClient(t, l.api.base()).join("Ana", "Cali")
	var err error
	l.clip, err = os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	require.NoError(t, err)
	return l
}

// request is what can be sent again as it is.
type request struct {
	method, path, contentType, key string
	body                           []byte
}

// dying sends r to a server of its own that dies at the point, and requires
// that no answer came. It returns when that was.
func (l *crashLab) dying(c *client, r request) time.Time {
	l.t.Helper()
	p := l.armed("ANB_CRASH_AT="+string(l.point), "serve")
	req, err := http.NewRequestWithContext(l.t.Context(), r.method, p.base()+r.path, bytes.NewReader(r.body))
	require.NoError(l.t, err)
	req.Header.Set("Authorization", "Bearer "+c.token)
	if r.key != "" {
		req.Header.Set("Content-Type", r.contentType)
		req.Header.Set("Idempotency-Key", r.key)
	}
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := once.Do(req)
	if err == nil {
		_ = res.Body.Close()
		l.t.Fatalf("%s was not reached: %s", l.point, res.Status)
	}
	p.requireCrashed(l.point)
	l.Rounds++
	return time.Now()
}

// again sends r to the living server; replayed is its word that this had been
// done before.
func (l *crashLab) again(c *client, r request) (status int, answer map[string]any, replayed bool) {
	l.t.Helper()
	var header []string
	if r.key != "" {
		header = []string{"Idempotency-Key", r.key}
	}
	status, data, head := c.do(r.method, r.path, r.contentType, bytes.NewReader(r.body), header...)
	require.NoError(l.t, json.Unmarshal(data, &answer), "%s", data)
	return status, answer, head.Get("Idempotent-Replayed") == "true"
}

// recovered notes how long the work of a process that died has waited.
func (l *crashLab) recovered(since time.Time) {
	if !since.IsZero() {
		l.Recovery = max(l.Recovery, time.Since(since))
	}
}

// fresh makes an upload with a key and with content of its own.
func (l *crashLab) fresh() (request, noted) {
	l.t.Helper()
	key := fmt.Sprintf("%s-%d", l.point, len(l.uploads))
	content := append(bytes.Clone(l.clip), 0, 0, 0, 40, 'f', 'r', 'e', 'e')
	content = append(content, fmt.Sprintf("%-32s", key)...)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	require.NoError(l.t, form.WriteField("title", key))
	file, err := form.CreateFormFile("video_file", "clip.mp4")
	require.NoError(l.t, err)
	_, err = file.Write(content)
	require.NoError(l.t, err)
	require.NoError(l.t, form.Close())
	return request{http.MethodPost, "/api/videos/upload", form.FormDataContentType(), key, body.Bytes()}, noted{key: key, sha256: sum(content)}
}

// accepted sends an upload to the living server and notes it.
func (l *crashLab) accepted(r request, n noted) string {
	l.t.Helper()
	before := l.count("videos", "idempotency_key = ?", n.key)
	status, answer, replayed := l.again(l.ana, r)
	require.Equal(l.t, http.StatusCreated, status, "%v", answer)
	require.Equal(l.t, before > 0, replayed, "the first answer, if there was a first time")
	n.video = answer["video_id"].(string)
	l.uploads = append(l.uploads, n)
	l.Acknowledged++
	return n.video
}

func (l *crashLab) uploadRound() {
	l.t.Helper()
	r, n := l.fresh()
	died := l.dying(l.ana, r)
	l.accepted(r, n)
	l.recovered(died)
}

func (l *crashLab) deleteRound() {
	l.t.Helper()
	id := l.accepted(l.fresh())
	r := request{method: http.MethodDelete, path: "/api/videos/" + id}
	died := l.dying(l.ana, r)
	want := http.StatusOK
	if l.count("videos", "id = ?", id) == 0 {
		want = http.StatusNotFound
	}
	status, answer, _ := l.again(l.ana, r)
	require.Equal(l.t, want, status, "%v", answer)
	l.recovered(died)
	l.deleted = append(l.deleted, id)
	l.Acknowledged++
}

func (l *crashLab) voteRound() {
	l.t.Helper()
	if l.voted == "" {
		l.voted = l.accepted(l.fresh())
		worker := l.worker()
		l.ana.processed(l.voted, patience)
		worker.kill()
	}
	voter := newClient(l.t, l.ana.base).join(fmt.Sprintf("Luis%d", l.votes), "Cali")
	r := request{method: http.MethodPost, path: "/api/public/videos/" + l.voted + "/vote"}
	died := l.dying(voter, r)
	var code any // of a problem
	if int(l.count("votes", "video_id = ?", l.voted)) > l.votes {
		code = "ALREADY_VOTED"
	}
	_, answer, _ := l.again(voter, r)
	require.Equal(l.t, code, answer["code"], "%v", answer)
	l.recovered(died)
	l.votes++
	l.Acknowledged++
}

// workRound lets a worker end what the one before left behind, and die at the
// point with the next video.
func (l *crashLab) workRound() {
	l.t.Helper()
	// At some points the dead one had done all that a video needs.
	l.open = slices.DeleteFunc(l.open, func(o opened) bool { return l.ana.video(o.video)["status"] == "processed" })
	if len(l.open) == 0 {
		l.open = append(l.open, opened{l.accepted(l.fresh()), time.Time{}})
	}
	worker := l.armed("ANB_CRASH_AT="+string(l.point)+":2", "work")
	l.settle(worker)
	next := l.accepted(l.fresh())
	worker.requireCrashed(l.point)
	l.open = append(l.open, opened{next, time.Now()})
	l.Rounds++
}

// settle waits until the open videos are published, or the worker has died: it
// passes some points without a video too.
func (l *crashLab) settle(worker *process) {
	l.t.Helper()
	for len(l.open) > 0 {
		o := l.open[0]
		dead := false
		v := l.ana.until(o.video, patience, func(v map[string]any) bool {
			select {
			case <-worker.done:
				dead = true
			default:
			}
			return dead || v["status"] == "processed" || v["status"] == "failed"
		})
		if dead && v["status"] != "processed" {
			return
		}
		require.Equal(l.t, "processed", v["status"], "%v", v)
		l.recovered(o.since)
		l.open = l.open[1:]
	}
}
