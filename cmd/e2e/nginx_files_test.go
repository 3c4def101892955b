//go:build e2e

package e2e

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
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
	w := s.worker()
	ids := []string{u.accepted(clipOf(t, 2)), u.accepted(clipOf(t, 3))}
	u.processed(ids...)
	s.quit(w)
	c := from(t, "127.0.0.1")
	v := u.call(http.MethodGet, "/api/videos/"+ids[0], nil)
	original := v.text("original_url")
	here := func(address string) { // puts a file where nginx looks, with its time
		require.NoError(t, os.Link(filepath.Join(s.dir, "processed_videos", filepath.Base(address)), filepath.Join(folder, filepath.Base(address))))
	}
	ask := func(method, path string, header ...string) told {
		t.Helper()
		text := method + " " + path + " HTTP/1.1\r\nHost: anb\r\nConnection: close\r\n"
		for i := 0; i+1 < len(header); i += 2 {
			text += header[i] + ": " + header[i+1] + "\r\n"
		}
		if method == http.MethodHead {
			return s.front.head(t, text+"\r\n")
		}
		return s.front.send(t, text+"\r\n")
	}
	own := func(a told) bool { return a.line["upstream"] == "" }

	for _, path := range []string{v.text("processed_url"), v.text("thumbnail_url")} {
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
			a := ask(r.method, path, r.header...)
			require.False(t, own(a), "it is not in nginx's folder: as if in S3")
			byAPI = append(byAPI, a)
		}
		here(path)
		for i, r := range requests {
			a := ask(r.method, path, r.header...)
			require.True(t, own(a), "%v", r)
			require.Equal(t, byAPI[i].status, a.status, "%v", r)
			require.NotEmpty(t, a.header.Get("X-Request-Id"))
			require.Equal(t, byAPI[i].header.Get("Etag") != "", a.header.Get("Etag") != "", "%v", r)
			for _, b := range []told{byAPI[i], a} { // what differs by nature
				for _, name := range []string{"Date", "X-Request-Id", "Etag"} {
					b.header.Del(name)
				}
				if b.status == http.StatusPartialContent {
					b.header.Del("Accept-Ranges") // it has just been proved
				}
				if b.status == http.StatusNotModified {
					b.header.Del("Last-Modified") // the tag is enough
				}
			}
			if a.status == 416 {
				requireSameProblem(t, byAPI[i], a)
				require.Equal(t, "Range", a.header.Get("Vary"), "a cache may keep it for this part alone")
				a.header.Del("Vary")
				byAPI[i].header.Set("Cache-Control", a.header.Get("Cache-Control"))
			} else {
				require.Equal(t, byAPI[i].body, a.body, "%v", r)
			}
			require.Equal(t, byAPI[i].header, a.header, "%s %v", path, r)
		}
		whole := ask("GET", path)
		require.Equal(t, 304, ask("GET", path, "If-None-Match", whole.header.Get("Etag")).status)
		require.Equal(t, 304, ask("GET", path, "If-Modified-Since", whole.header.Get("Last-Modified")).status)
		part := ask("GET", path, "Range", "bytes=1-3", "If-Range", whole.header.Get("Etag"))
		require.Equal(t, whole.body[1:4], part.body)
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			a := ask(method, path)
			require.Equal(t, 405, a.status, method)
			require.False(t, own(a), "the API knows better")
			require.Contains(t, a.header.Get("Allow"), "GET")
		}
	}

	t.Run("and nothing else", func(t *testing.T) {
		name := filepath.Base(v.text("processed_url"))
		outside := filepath.Join(t.TempDir(), "outside.mp4")
		for path, text := range map[string]string{
			outside: "secret", folder + "/clip.mov": "secret", folder + "/notes.txt": "secret", folder + "/.hidden.mp4": "secret", folder + "/upper.MP4": "secret",
			folder + "/.stage/part.mp4": "secret", folder + "/sub/deep.mp4": "secret", folder + "/known-job-1": "secret", folder + "/.stage/x.jpg": "secret",
		} {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		}
		require.NoError(t, os.Symlink(outside, folder+"/link.mp4"))
		require.NoError(t, os.Symlink(folder+"/"+name, folder+"/inner.mp4"))
		require.NoError(t, os.Symlink(filepath.Dir(outside), folder+"/linked"))
		for _, path := range []string{
			"clip.mov", "notes.txt", ".hidden.mp4", "upper.MP4", ".stage/part.mp4", ".stage/x.jpg", "%2estage/part.mp4", ".stage%2fpart.mp4", "sub/deep.mp4", "sub%2fdeep.mp4",
			"known-job-1", "link.mp4", "inner.mp4", "linked/outside.mp4", "..%2f" + filepath.Base(filepath.Dir(outside)) + "/outside.mp4", "%2e%2e/outside.mp4", "", ".", ".none", "x.mp4", "x%00.mp4",
			"sub", "sub/", name + "%20", strings.ToUpper(name), name + "%00.jpg", "./" + name + "x",
		} {
			a := ask("GET", "/processed/"+path)
			require.True(t, a.status == 404 || a.status == 400, "%s: %d", path, a.status)
			require.NotContains(t, a.body, "secret")
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), path)
			require.NotContains(t, a.header.Get("Cache-Control"), "immutable", path)
		}
		require.Equal(t, 404, ask("GET", "/var/www/processed_videos/"+name).status)
		require.True(t, own(ask("GET", "/x/..//processed/./"+name)), "the same file, and no other")
	})
	t.Run("originals with their signature, which no log shows", func(t *testing.T) {
		a := s.front.get(t, c, original)
		require.Equal(t, 200, a.status)
		require.Equal(t, "private, no-store", a.header.Get("Cache-Control"))
		_, query, _ := strings.Cut(original, "?")
		require.NotContains(t, s.front.out.String(), query)
		require.NotContains(t, s.front.out.String(), u.token)
		require.Equal(t, "/api/videos/"+ids[0]+"/original", a.line["path"])
	})
	t.Run("and passes events on at once", func(t *testing.T) {
		waiting := u.accepted(clipOf(t, 2))
		began := time.Now()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base()+"/api/videos/"+waiting+"/events", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+u.token)
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := c.Do(req)
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
	})
	t.Run("and the pages of the documentation", func(t *testing.T) {
		for _, path := range []string{"/docs", "/redoc", "/openapi.json", "/docs/errors", "/docs/assets/swagger-ui-bundle.js", "/health", "/api/health", "/readyz", "/api/limits"} {
			a := s.front.get(t, c, path)
			require.Equal(t, 200, a.status, path)
			for _, name := range secured[:4] {
				require.Len(t, a.header.Values(name), 1, "%s of %s", name, path)
			}
		}
	})
	t.Run("a hundred bad log-ins end in 429, whatever they say about themselves", func(t *testing.T) { // R27
		for name, forged := range map[string]bool{"127.0.0.8": false, "127.0.0.9": true} {
			c, refused := from(t, name), 0
			for i := range 100 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base()+"/api/auth/login", strings.NewReader(`{"email":"nadie@example.co","password":"no es esta"}`))
				require.NoError(t, err)
				if forged {
					req.Header.Set("X-Forwarded-For", "203.0.113."+string(rune('0'+i%10)))
					req.Header.Set("X-Real-IP", "203.0.113."+string(rune('0'+i%10)))
				}
				res, err := c.Do(req)
				require.NoError(t, err)
				a := s.front.told(t, res, res.Body)
				if a.status == http.StatusTooManyRequests {
					refused++
					requireProblem(t, a, 429, "TOO_MANY_REQUESTS")
				} else {
					require.Equal(t, http.StatusUnauthorized, a.status)
				}
			}
			require.Greater(t, refused, 25, name)
		}
	})
	s.finish()
	s.check()
}

// head is send for HEAD, whose answer has no body.
func (f *front) head(t *testing.T, request string) told {
	t.Helper()
	path := strings.Fields(request)[1]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+f.plain+path, nil)
	require.NoError(t, err)
	for line := range strings.SplitSeq(request, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && name == "Range" {
			req.Header.Set(name, value)
		}
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	return f.told(t, res, res.Body)
}

// requireSameProblem compares two problems, but for their numbers.
func requireSameProblem(t *testing.T, a, b told) {
	t.Helper()
	plain := func(a told) string {
		id := `"request_id":"`
		at := strings.Index(a.body, id) + len(id)
		return a.body[:at] + a.body[at+32:]
	}
	require.Equal(t, plain(a), plain(b))
}
