package monitor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/modules/processing"
	"anb/platform/openapi/openapitest"
	"anb/platform/passwords"
	"anb/platform/storage"
)

// apiWorld is a world behind a server, whose answers under /api/v1 are compared
// with the document.
type apiWorld struct {
	*world
	checker *openapitest.Checker
	server  *httptest.Server
	client  *http.Client
}

const apiPassword = "olga-knows-this-one"

// newAPIWorld adds the user olga, an operator who signs in with a password.
func newAPIWorld(w *world) *apiWorld {
	w.t.Helper()
	w.change = func(c *Config) {
		c.Users = "olga:operator:" + passwords.Cost{Memory: 64, Iterations: 1, Lanes: 1}.Hash(apiPassword, nil)
	}
	w.restart()
	a := &apiWorld{world: w, checker: openapitest.Of(w.t, apiYAML), server: httptest.NewServer(w.e)}
	w.t.Cleanup(a.server.Close)
	a.client = &http.Client{
		Transport:     apiTransport{a.checker.Transport(nil)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return a
}

// watching runs the collector until the test ends.
func (a *apiWorld) watching() {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.m.collector.Run(ctx) }()
	a.t.Cleanup(func() {
		cancel()
		require.NoError(a.t, <-ended)
	})
}

// apiTransport keeps what is not of /api/v1 from the document.
type apiTransport struct{ checked http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t apiTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, apiRoot+"/") {
		return t.checked.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// apiReply is an answer, read to its end.
type apiReply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// into reads the answer, which must have the status.
func (r apiReply) into(status int, v any) apiReply {
	r.t.Helper()
	require.Equal(r.t, status, r.status, r.body)
	if v != nil {
		require.NoError(r.t, json.Unmarshal([]byte(r.body), v), r.body)
	}
	return r
}

// code is that of a problem document.
func (r apiReply) code(status int) string {
	r.t.Helper()
	var p struct{ Code string }
	r.into(status, &p)
	return p.Code
}

// ask sends a request with a token of one of people; name:password is Basic.
func (a *apiWorld) ask(name, method, path, body string, header ...string) apiReply {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.server.URL+path, strings.NewReader(body))
	require.NoError(a.t, err)
	user, password, basic := strings.Cut(name, ":")
	switch {
	case basic:
		req.SetBasicAuth(user, password)
	case name != "":
		req.Header.Set("Authorization", "Bearer "+madeTokens()[name][0])
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := a.client.Do(req)
	require.NoError(a.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	return apiReply{a.t, res.StatusCode, res.Header, string(text)}
}

func (a *apiWorld) read(name, path string) apiReply {
	a.t.Helper()
	return a.ask(name, http.MethodGet, path, "")
}

// order sends a POST as an operator.
func (a *apiWorld) order(path, body string, header ...string) apiReply {
	a.t.Helper()
	return a.ask("oscar", http.MethodPost, apiRoot+path, body, header...)
}

// audited counts what the audit says was done.
func (a *apiWorld) audited() string {
	a.t.Helper()
	return a.text("SELECT count(*) FROM audit_events WHERE result = 'done'")
}

// state is that of a job's row.
func (a *apiWorld) state(id uuid.UUID) string {
	a.t.Helper()
	return a.text("SELECT state FROM jobs WHERE id = ?", id)
}

// videoOf is the video of a job.
func (a *apiWorld) videoOf(job uuid.UUID) uuid.UUID {
	a.t.Helper()
	return uuid.MustParse(a.text("SELECT video_id FROM jobs WHERE id = ?", job))
}

// laborer is a worker whose encoder does what encode says; originals are there
// for the videos of jobs.
func (a *apiWorld) laborer(encode encoderFunc, jobs ...uuid.UUID) *processing.Worker {
	a.t.Helper()
	w := a.sampler(encode)
	clip := filepath.Join(a.t.TempDir(), "clip")
	require.NoError(a.t, os.WriteFile(clip, []byte("a clip"), 0o600))
	for _, id := range jobs {
		key := a.text("SELECT v.original_key FROM videos v JOIN jobs j ON j.video_id = v.id WHERE j.id = ?", id)
		require.NoError(a.t, storage.PutFile(a.t.Context(), w.Originals, clip, key, "video/mp4"))
	}
	return w
}

// report is a worker's report of now, as the worker itself writes it.
func (a *apiWorld) report(w *processing.Worker) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(a.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.Reported(func(ctx context.Context) error { <-ctx.Done(); return nil })(ctx)
	}()
	a.t.Cleanup(func() {
		cancel()
		require.NoError(a.t, <-ended)
	})
	require.Eventually(a.t, func() bool { return a.text("SELECT count(*) FROM workers WHERE id = 'w1'") == "1" }, 10*time.Second, 10*time.Millisecond)
}
