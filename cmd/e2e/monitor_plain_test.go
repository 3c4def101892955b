//go:build e2e

package e2e

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// visitor is a browser without scripts.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
}

func (d *dashboard) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	return &visitor{t: d.t, base: d.base, http: &http.Client{Jar: jar}}
}

func (v *visitor) signIn(name string) *visitor {
	v.t.Helper()
	status, at, _ := v.post("/login", "name", name, "password", word, "next", "/")
	require.Equal(v.t, http.StatusOK, status)
	require.Equal(v.t, "/", at)
	return v
}

// get follows redirects, as post does, and returns where they led to.
func (v *visitor) get(path string) (status int, at, body string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil)
	require.NoError(v.t, err)
	return v.do(req)
}

func (v *visitor) post(path string, fields ...string) (status int, at, body string) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.base)
	return v.do(req)
}

func (v *visitor) do(req *http.Request) (status int, at, body string) {
	v.t.Helper()
	req.Header.Set("Accept", "text/html")
	res, err := v.http.Do(req)
	require.NoError(v.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	return res.StatusCode, res.Request.URL.Path, string(data)
}

var (
	formPattern  = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)".*?</form>`)
	inputPattern = regexp.MustCompile(`<(?:input|button)[^>]* name="([^"]+)"[^>]*>`)
	valuePattern = regexp.MustCompile(` value="([^"]*)"`)
)

// submit fills the form of a page whose action begins and ends so, with what
// its fields hold and with fields, and requires that it was done. It returns
// where that led to.
func (v *visitor) submit(page, begins, ends string, fields ...string) (at, body string) {
	v.t.Helper()
	_, _, text := v.get(page)
	for _, m := range formPattern.FindAllStringSubmatch(text, -1) {
		action := html.UnescapeString(m[1])
		if !strings.HasPrefix(action, begins) || !strings.HasSuffix(action, ends) {
			continue
		}
		values := slices.Clone(fields)
		for _, in := range inputPattern.FindAllStringSubmatch(m[0], -1) {
			if value := valuePattern.FindStringSubmatch(in[0]); value != nil && !slices.Contains(fields, in[1]) {
				values = append(values, in[1], html.UnescapeString(value[1]))
			}
		}
		status, at, body := v.post(action, values...)
		require.Equal(v.t, http.StatusOK, status, "%s: %s", action, body)
		return at, body
	}
	v.t.Fatalf("%s has no form for %s…%s", page, begins, ends)
	return "", ""
}

func (s *scene) withoutScripts(t *testing.T, _ *window) {
	v := s.visitor()
	status, at, _ := v.get("/jobs?q=state:dead")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "/login", at, "who is not known is sent to the form")
	v.signIn(admin)
	for path, want := range s.paths() {
		status, _, body := v.get(path)
		require.Equal(t, want, status, path)
		require.Contains(t, body, "</html>", path)
		require.NotContains(t, body, "<script>window", path)
	}
	for _, file := range []string{"/jobs.csv?q=state:done,dead", "/jobs/" + s.dead.ID + "/log"} {
		status, _, body := v.get(file)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, "<script>window.pwned = 1</script>", "no page: a file to save")
	}

	worker := "/workers/" + s.running.Worker
	v.submit("/queues", "/queues/video_queue/pause", "", "reason", "sin scripts")
	_, body := v.submit("/", "/queues/video_queue/resume", "")
	require.Contains(t, body, "Reanudar cola: hecho")
	v.submit("/workers", worker, "/drain")
	v.submit("/workers", worker, "/resume")
	v.submit("/workers", worker, "/scale", "slots", "1")
	require.Equal(t, []string{"alba worker.drain done", "alba worker.resume done", "alba worker.scale done"}, s.audited(s.running.Worker))
	job := "/jobs/" + s.dead.ID
	v.submit(job, job, "/discard", "reason", "sin scripts")
	require.True(t, s.job(s.dead.Video).Discarded)
	v.submit(job, job, "/retry")
	require.Equal(t, "queued", s.job(s.dead.Video).State)
	v.submit(job, job, "/cancel")
	require.Equal(t, "cancelled", s.job(s.dead.Video).State)
	_, body = v.submit(job, job, "/reveal")
	require.Contains(t, body, "ana@example.co", "what is hidden")
	_, _, body = v.get(job)
	require.NotContains(t, body, "ana@example.co")
	at, _ = v.submit("/bulk?action=retry&id="+s.dead.ID, "/bulk", "", "reason", "sin scripts")
	require.Contains(t, at, "/operations/")
	require.Equal(t, "queued", s.becomes(s.dead.Video, "queued").State)
	at, _ = v.submit("/bulk?action=cancel&per_minute=1&id="+s.dead.ID+"&id="+s.waiting.ID, "/bulk", "", "reason", "sin scripts")
	v.submit(at, at, "/stop")
	at, body = v.submit(at, at, "/undo")
	require.Contains(t, at, "/operations/")
	require.Contains(t, body, "Reintentar varias")

	_, body = v.submit("/jobs", "/preferences", "", "lang", "en", "theme", "dark")
	require.Contains(t, body, `<html lang="en" data-theme="dark"`)
	require.Contains(t, body, "<h1>Jobs")
	other := s.visitor().signIn(operator)
	s.exec("UPDATE monitor_sessions SET created_at = created_at - interval '1 hour' WHERE name <> ?", operator)
	v.submit("/sessions", "/sessions/", "/end") // the newest
	_, at, _ = other.get("/")
	require.Equal(t, "/login", at, "its session was ended")
	at, _ = v.submit("/", "/logout", "")
	require.Equal(t, "/login", at)
	_, at, _ = v.get("/")
	require.Equal(t, "/login", at)
}

func (s *scene) viewerOnly(t *testing.T, w *window) {
	b := w.tab().signIn(viewer, "/jobs")
	for path, status := range s.paths() {
		if strings.HasPrefix(path, "/bulk") || path == "/sessions" {
			continue
		}
		b.visit(int64(status), path)
		require.Equal(t, "", js[string](b, `[...document.querySelectorAll("form[method=post]:not([action='/preferences'], [action='/logout'], [action='/login']), .button, .bulk button")].map(e => e.outerHTML).join()`), path)
	}
	b.forgive("Failed to load resource: the server responded with a status of 40")
	before := s.auditLines()
	id, worker := "/jobs/"+s.waiting.ID, "/workers/"+s.running.Worker
	orders := []string{
		id + "/retry", id + "/cancel", id + "/discard", id + "/reveal", "/queues/video_queue/pause", "/queues/video_queue/resume",
		worker + "/drain", worker + "/resume", worker + "/scale", "/bulk", s.operation + "/stop", s.operation + "/undo", "/sessions/x/end",
	}
	for name, forbidden := range map[string][]string{viewer: orders, operator: {id + "/reveal", "/sessions/x/end"}} {
		v := s.visitor().signIn(name)
		for _, path := range forbidden {
			status, _, body := v.post(path, "reason", "x", "slots", "2", "action", "cancel", "q", "state:waiting")
			require.Equal(t, http.StatusForbidden, status, path)
			require.Contains(t, body, "Sin permiso", path)
		}
	}
	for _, path := range []string{"/bulk?action=cancel&q=state:waiting", "/sessions"} {
		status, _, _ := s.visitor().signIn(viewer).get(path)
		require.Equal(t, http.StatusForbidden, status, path)
	}
	status, _, _ := s.visitor().signIn(admin).crossSite(id + "/cancel")
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, before, s.auditLines(), "nothing was done")
}

// crossSite posts as a page of another site would.
func (v *visitor) crossSite(path string) (status int, at, body string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.base+path, nil)
	require.NoError(v.t, err)
	req.Header.Set("Origin", "http://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	return v.do(req)
}
