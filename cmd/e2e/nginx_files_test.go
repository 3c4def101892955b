//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nginx and the API give the same answers about published files; here nginx has
// a folder of its own, in which not all of them are.
func TestNginx_ServesPublishedFilesAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	folder := t.TempDir()
	reachable(t, folder)
	s.front.change(t, "conf.d/default.conf", "root "+filepath.Join(s.dir, "processed_videos")+";", "root "+folder+";")
	s.front.reload()
	u := s.book.join(s.base(), "ana")
	id := s.published(u)
	v := u.call(http.MethodGet, "/api/videos/"+id, nil)

	t.Run("a video and a poster", func(t *testing.T) {
		for _, path := range []string{v.text("processed_url"), v.text("thumbnail_url")} {
			s.comparesWithTheAPI(t, path, folder)
		}
	})
	t.Run("and nothing else", func(t *testing.T) { s.servesNothingElse(t, filepath.Base(v.text("processed_url")), folder) })
	t.Run("originals with their signature, which no log shows", func(t *testing.T) {
		original := v.text("original_url")
		a := s.front.get(t, http.DefaultClient, original)
		require.Equal(t, 200, a.status)
		require.Equal(t, "private, no-store", a.header.Get("Cache-Control"))
		require.Equal(t, "/api/videos/"+id+"/original", a.line["path"])
		_, query, _ := strings.Cut(original, "?")
		require.NotContains(t, s.front.out.String(), query)
		require.NotContains(t, s.front.out.String(), u.token)
	})
	t.Run("events are passed on at once", func(t *testing.T) { s.passesEventsOn(t, u) })
	t.Run("the pages of the documentation are passed on", func(t *testing.T) {
		for _, path := range []string{"/docs", "/redoc", "/openapi.json", "/docs/errors", "/docs/assets/swagger-ui-bundle.js", "/health", "/api/health", "/readyz", "/api/limits"} {
			a := s.front.get(t, http.DefaultClient, path)
			require.Equal(t, 200, a.status, path)
			for _, name := range secured[:4] {
				require.Len(t, a.header.Values(name), 1, "%s of %s", name, path)
			}
		}
	})
	t.Run("a hundred bad log-ins end in 429, whatever they say about themselves", func(t *testing.T) { // R27
		require.Greater(t, s.refusedLogIns(t, from(t, "127.0.0.8"), false), 25)
		require.Greater(t, s.refusedLogIns(t, from(t, "127.0.0.9"), true), 25)
	})
	s.finish()
	s.check()
}

// ask sends a request of its own connection; header are names and values.
func (f *front) ask(t *testing.T, method, path string, header ...string) told {
	t.Helper()
	text := method + " " + path + " HTTP/1.1\r\nHost: anb\r\nConnection: close\r\n"
	for i := 0; i+1 < len(header); i += 2 {
		text += header[i] + ": " + header[i+1] + "\r\n"
	}
	return f.send(t, text+"\r\n")
}

// own tells whether nginx answered without the API.
func (a told) own() bool { return a.line["upstream"] == "" }

// comparesWithTheAPI asks for a published file while it is not where nginx looks,
// as if it were in S3, and then when it is.
func (s *site) comparesWithTheAPI(t *testing.T, path, folder string) {
	t.Helper()
	type request struct {
		method string
		header []string
	}
	requests := []request{
		{"GET", nil}, {"HEAD", nil}, {"GET", []string{"Range", "bytes=0-1"}}, {"GET", []string{"Range", "bytes=-5"}}, {"HEAD", []string{"Range", "bytes=2-"}},
		{"GET", []string{"Range", "bytes=99999999-"}}, {"GET", []string{"If-None-Match", "*"}}, {"GET", []string{"If-Range", `"other"`, "Range", "bytes=0-1"}},
		{"GET", []string{"Accept-Encoding", "gzip"}}, {"GET", []string{"Origin", "http://other.example"}},
	}
	var byAPI []told
	for _, r := range requests {
		a := s.front.ask(t, r.method, path, r.header...)
		require.False(t, a.own())
		byAPI = append(byAPI, a)
	}
	name := filepath.Base(path)
	require.NoError(t, os.Link(filepath.Join(s.dir, "processed_videos", name), filepath.Join(folder, name))) // with its time
	for i, r := range requests {
		a := s.front.ask(t, r.method, path, r.header...)
		require.True(t, a.own(), "%v", r)
		requireSame(t, byAPI[i], a, fmt.Sprint(path, r))
	}
	whole := s.front.ask(t, "GET", path)
	require.Equal(t, 304, s.front.ask(t, "GET", path, "If-None-Match", whole.header.Get("Etag")).status)
	require.Equal(t, 304, s.front.ask(t, "GET", path, "If-Modified-Since", whole.header.Get("Last-Modified")).status)
	require.Equal(t, whole.body[1:4], s.front.ask(t, "GET", path, "Range", "bytes=1-3", "If-Range", whole.header.Get("Etag")).body)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		a := s.front.ask(t, method, path)
		require.Equal(t, 405, a.status, method)
		require.False(t, a.own(), "the API knows better")
		require.Contains(t, a.header.Get("Allow"), "GET")
	}
}

// requireSame compares the API's answer with nginx's, but for what differs by
// nature.
func requireSame(t *testing.T, api, own told, what string) {
	t.Helper()
	require.Equal(t, api.status, own.status, what)
	require.Equal(t, api.header.Get("Etag") != "", own.header.Get("Etag") != "", what)
	numbers := regexp.MustCompile(`[0-9a-f]{32}`)
	if own.status == http.StatusRequestedRangeNotSatisfiable {
		api.body, own.body = numbers.ReplaceAllString(api.body, ""), numbers.ReplaceAllString(own.body, "")
		require.Equal(t, "Range", own.header.Get("Vary"), "a cache may keep it for this part alone")
		own.header.Del("Vary")
		api.header.Set("Cache-Control", own.header.Get("Cache-Control"))
	}
	for _, a := range []told{api, own} {
		require.Len(t, a.header.Values("X-Request-Id"), 1)
		for _, name := range []string{"Date", "X-Request-Id", "Etag"} {
			a.header.Del(name)
		}
		switch a.status {
		case http.StatusPartialContent:
			a.header.Del("Accept-Ranges") // it has just been proved
		case http.StatusNotModified:
			a.header.Del("Last-Modified") // the tag is enough
		}
	}
	require.Equal(t, api.body, own.body, what)
	require.Equal(t, api.header, own.header, what)
}

func (s *site) servesNothingElse(t *testing.T, name, folder string) {
	t.Helper()
	outside := filepath.Join(t.TempDir(), "outside.mp4")
	reachable(t, filepath.Dir(outside))
	for _, path := range []string{
		outside, folder + "/clip.mov", folder + "/notes.txt", folder + "/.hidden.mp4", folder + "/upper.MP4",
		folder + "/.stage/part.mp4", folder + "/sub/deep.mp4", folder + "/known-job-1", folder + "/.stage/x.jpg",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("secret"), 0o644))
	}
	require.NoError(t, os.Symlink(outside, folder+"/link.mp4"))
	require.NoError(t, os.Symlink(folder+"/"+name, folder+"/inner.mp4"))
	require.NoError(t, os.Symlink(filepath.Dir(outside), folder+"/linked"))
	for _, path := range []string{
		"clip.mov", "notes.txt", ".hidden.mp4", "upper.MP4", ".stage/part.mp4", ".stage/x.jpg", "%2estage/part.mp4", ".stage%2fpart.mp4", "sub/deep.mp4", "sub%2fdeep.mp4",
		"known-job-1", "link.mp4", "inner.mp4", "linked/outside.mp4", "..%2f" + filepath.Base(filepath.Dir(outside)) + "/outside.mp4", "%2e%2e/outside.mp4", "", ".", ".none", "x.mp4", "x%00.mp4",
		"sub", "sub/", name + "%20", strings.ToUpper(name), name + "%00.jpg", "./" + name + "x",
	} {
		a := s.front.ask(t, "GET", "/processed/"+path)
		require.True(t, a.status == 404 || a.status == 400, "%s: %d", path, a.status)
		require.NotContains(t, a.body, "secret")
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), path)
		require.NotContains(t, a.header.Get("Cache-Control"), "immutable", path)
	}
	require.Equal(t, 404, s.front.ask(t, "GET", "/var/www/processed_videos/"+name).status)
	require.True(t, s.front.ask(t, "GET", "/x/..//processed/./"+name).own(), "the same file, and no other")
}

func (s *site) passesEventsOn(t *testing.T, u *user) {
	t.Helper()
	waiting := u.accepted(clipOf(t, 2))
	began := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base()+"/api/videos/"+waiting+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+u.token)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	require.Empty(t, res.Header.Get("Content-Encoding"))
	events := bufio.NewScanner(res.Body)
	for events.Scan() && !strings.HasPrefix(events.Text(), "data: ") {
	}
	require.Contains(t, events.Text(), `"uploaded"`)
	require.Less(t, time.Since(began), 5*time.Second, "while the stream goes on")
	require.Equal(t, http.StatusOK, u.delete(waiting).status)
	for events.Scan() {
	}
	require.NoError(t, events.Err(), "it ends when the video is deleted")
}

// refusedLogIns tries a hundred wrong passwords and counts the 429.
func (s *site) refusedLogIns(t *testing.T, c *http.Client, forge bool) (refused int) {
	t.Helper()
	for i := range 100 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base()+"/api/auth/login", strings.NewReader(`{"email":"nadie@example.co","password":"no es esta"}`))
		require.NoError(t, err)
		if forge {
			for _, name := range []string{"X-Forwarded-For", "X-Real-IP"} {
				req.Header.Set(name, "203.0.113."+strconv.Itoa(i))
			}
		}
		res, err := c.Do(req)
		require.NoError(t, err)
		a := s.front.told(t, res, res.Body)
		if a.status == http.StatusUnauthorized {
			continue
		}
		requireProblem(t, a, 429, "TOO_MANY_REQUESTS")
		refused++
	}
	return refused
}
