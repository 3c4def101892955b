//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// book is what clients saw: the only witness of what was acknowledged.
type book struct {
	t    *testing.T
	http *http.Client

	mu      sync.Mutex
	uploads map[string]*upload // by Idempotency-Key
	votes   map[vote]bool      // true: acknowledged; false: sent, and nobody knows
	deleted map[string]bool    // ids of videos whose deletion was acknowledged
	answers map[int]int        // by status
	wrong   []string           // answers that should never be given
	number  atomic.Int64
}

type upload struct {
	sha256 string
	id     string // of the video; empty: not acknowledged
	task   string
}

type vote struct{ user, video string }

func newBook(t *testing.T) *book {
	b := &book{t: t, uploads: map[string]*upload{}, votes: map[vote]bool{}, deleted: map[string]bool{}, answers: map[int]int{}}
	// Connections of its own: others' tests must not fill or close them.
	b.http = &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 300}}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// reply is an answer; with err there was none.
type reply struct {
	status int
	body   map[string]any
	header http.Header
	err    error
}

func (r reply) text(key string) string {
	s, _ := r.body[key].(string)
	return s
}

// user is an account that talks to one server.
type user struct {
	b         *book
	base      string
	token, id string
}

// at returns the same account, talking to another server.
func (u *user) at(base string) *user {
	v := *u
	v.base = base
	return &v
}

// join signs an account up and logs in.
func (b *book) join(base, name string) *user {
	b.t.Helper()
	u := &user{b: b, base: base}
	email := fmt.Sprintf("%s-%d@example.co", name, b.number.Add(1))
	made := u.post("/api/auth/signup", map[string]any{
		"first_name": name, "last_name": "Prueba", "email": email, "password1": password, "password2": password, "city": "Cali", "country": "Colombia",
	})
	require.Equal(b.t, http.StatusCreated, made.status, "%v %v", made.body, made.err)
	u.id = made.text("id")
	require.NotEmpty(b.t, u.id, "%v", made.body)
	in := u.post("/api/auth/login", map[string]any{"email": email, "password": password})
	require.Equal(b.t, http.StatusOK, in.status, "%v", in.body)
	u.token = in.text("access_token")
	return u
}

func (u *user) post(path string, body any) reply {
	data, err := json.Marshal(body)
	if err != nil {
		return reply{err: err}
	}
	return u.call(http.MethodPost, path, bytes.NewReader(data), "Content-Type", "application/json")
}

// call sends a request and notes the answer.
func (u *user) call(method, path string, body io.Reader, header ...string) reply {
	return u.callContext(context.Background(), method, path, body, header...)
}

func (u *user) callContext(ctx context.Context, method, path string, body io.Reader, header ...string) reply {
	req, err := http.NewRequestWithContext(ctx, method, u.base+path, body)
	if err != nil {
		return reply{err: err}
	}
	if u.token != "" {
		req.Header.Set("Authorization", "Bearer "+u.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := u.b.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	r := reply{status: res.StatusCode, header: res.Header, err: err}
	_ = json.Unmarshal(data, &r.body) // a list, or cut off: then there is no object
	u.b.note(method+" "+path, r, data)
	return r
}

func (b *book) note(what string, r reply, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[r.status]++
	switch {
	case r.status == http.StatusInternalServerError,
		r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") == "":
		b.wrong = append(b.wrong, fmt.Sprintf("%s: %d %s", what, r.status, data))
	}
}

// form is an upload's body.
func form(title, name string, file []byte) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b) // writing to memory cannot fail
	_ = w.WriteField("title", title)
	part, _ := w.CreateFormFile("video_file", name)
	_, _ = part.Write(file)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// key returns an Idempotency-Key that was not there before.
func (b *book) key() string { return fmt.Sprintf("upload-%d-of-this-test", b.number.Add(1)) }

// upload sends a file under a key; the same key again is the same upload.
func (u *user) upload(key, file string) reply {
	data, err := os.ReadFile(file)
	if err != nil {
		return reply{err: err}
	}
	return u.send(key, data, func(b []byte) io.Reader { return bytes.NewReader(b) })
}

// send is upload with a say in how the body is sent.
func (u *user) send(key string, file []byte, pace func([]byte) io.Reader) reply {
	body, contentType := form("Jugada "+key, "clip.mp4", file)
	u.b.begins(key, file)
	r := u.call(http.MethodPost, "/api/videos/upload", pace(body), "Content-Type", contentType, "Idempotency-Key", key)
	u.b.uploaded(key, r)
	return r
}

func (b *book) begins(key string, file []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uploads[key] == nil {
		sum := sha256.Sum256(file)
		b.uploads[key] = &upload{sha256: hex.EncodeToString(sum[:])}
	}
}

func (b *book) uploaded(key string, r reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.status != http.StatusCreated || r.err != nil {
		return
	}
	sent := b.uploads[key]
	if id := r.text("video_id"); sent.id != "" && sent.id != id {
		b.wrong = append(b.wrong, fmt.Sprintf("upload %s was accepted as %s and as %s", key, sent.id, id))
	}
	sent.id, sent.task = r.text("video_id"), r.text("task_id")
}

// accepted uploads and requires that it was accepted.
func (u *user) accepted(file string) (id string) {
	u.b.t.Helper()
	r := u.upload(u.b.key(), file)
	require.Equal(u.b.t, http.StatusCreated, r.status, "%v %v", r.body, r.err)
	return r.text("video_id")
}

func (u *user) vote(video string) reply {
	v := vote{u.id, video}
	u.b.mu.Lock()
	u.b.votes[v] = u.b.votes[v]
	u.b.mu.Unlock()
	r := u.call(http.MethodPost, "/api/public/videos/"+video+"/vote", nil)
	if r.status == http.StatusOK && r.err == nil {
		u.b.mu.Lock()
		u.b.votes[v] = true
		u.b.mu.Unlock()
	}
	return r
}

func (u *user) delete(video string) reply {
	r := u.call(http.MethodDelete, "/api/videos/"+video, nil)
	if r.status == http.StatusOK && r.err == nil {
		u.b.mu.Lock()
		u.b.deleted[video] = true
		u.b.mu.Unlock()
	}
	return r
}

// status is a video's, "" when it cannot be told now.
func (u *user) status(video string) (status string, progress float64) {
	r := u.call(http.MethodGet, "/api/videos/"+video, nil)
	progress, _ = r.body["progress"].(float64)
	if r.status == http.StatusNotFound {
		return "gone", 0
	}
	if r.status != http.StatusOK {
		return "", 0
	}
	return r.text("status"), progress
}

// until waits for one of the statuses.
func (u *user) until(video string, within time.Duration, want ...string) {
	u.b.t.Helper()
	var last string
	require.Eventually(u.b.t, func() bool {
		last, _ = u.status(video)
		for _, w := range want {
			if last == w {
				return true
			}
		}
		return false
	}, within, 50*time.Millisecond, "video %s never was %v", video, want)
}

func (u *user) processed(videos ...string) {
	u.b.t.Helper()
	for _, v := range videos {
		u.until(v, patience, "processed")
	}
}

// midway waits until the encoder is well under way.
func (u *user) midway(video string) {
	u.b.t.Helper()
	var status string
	var progress float64
	require.Eventually(u.b.t, func() bool {
		status, progress = u.status(video)
		return status == "processing" && progress >= 5 || status == "processed"
	}, patience, 50*time.Millisecond, "video %s is never processed", video)
	require.Equal(u.b.t, "processing", status, "the encoder was too fast for this test")
	require.Less(u.b.t, progress, 90.0)
}
