//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/httpserver"
)

// from is a client with this address.
func from(t *testing.T, address string) *http.Client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	tr := &http.Transport{MaxIdleConnsPerHost: 1000, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return d.DialContext(ctx, network, addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// get asks nginx for a path.
func (f *front) get(t *testing.T, c *http.Client, path string, header ...string) told {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.plain+path, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(req)
	require.NoError(t, err)
	return f.told(t, res, res.Body)
}

// The API's own frame says what it believes about a client, with the setting
// that the deployment has: ANB_HTTP_TRUSTED_PROXIES.
func TestNginx_NobodyIsBelievedAboutTheClient(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	proxies := []string{"127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
	frame, err := httpserver.New(httpserver.Config{TrustedProxies: proxies}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	believes, err := httpserver.ParseProxies(proxies)
	require.NoError(t, err)
	heard := make(chan http.Header, 1)
	frame.GET("/who", func(c echo.Context) error {
		heard <- c.Request().Header.Clone()
		return c.String(http.StatusOK, fmt.Sprint(c.RealIP(), " ", believes.Encrypted(c.Request())))
	})
	f.standIn(t, 1, frame.ServeHTTP)
	f.names.are(f.replica(1))
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "conf.d/balancer.conf"), []byte("set_real_ip_from 127.200.0.0/16;\n"), 0o644))
	f.run(t)
	forged := []string{
		"X-Forwarded-For", "203.0.113.66", "X-Forwarded-For", "198.51.100.7, 10.1.2.3", "X-Forwarded-Proto", "https", "X-Real-IP", "203.0.113.66", "Forwarded", "for=203.0.113.66;proto=https",
		"X-Forwarded-Host", "evil.example", "X-Forwarded-Port", "1", "X-Request-Id", "chosen-by-the-client", "X_Forwarded_For", "203.0.113.66",
	}
	for peer, want := range map[string]string{
		"127.9.9.9":   "127.9.9.9 false",   // a client, who can say what it likes
		"127.200.0.1": "198.51.100.7 true", // the balancer; what is trusted in its list is skipped
	} {
		header := forged
		if peer == "127.200.0.1" {
			header = append([]string{"X-Forwarded-For", "192.0.2.1"}, "X-Forwarded-For", "198.51.100.7, 127.200.7.7", "X-Forwarded-Proto", "https", "X-Real-IP", "203.0.113.66", "Forwarded", "for=x", "X-Forwarded-Host", "evil.example", "X-Forwarded-Port", "1", "X-Request-Id", "chosen-by-the-balancer")
		}
		a := f.get(t, from(t, peer), "/who?token=geheim", header...)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, want, a.body)
		address, encrypted, _ := strings.Cut(want, " ")
		got := <-heard
		require.Equal(t, []string{address}, got.Values("X-Forwarded-For"))
		require.Equal(t, []string{address}, got.Values("X-Real-Ip"))
		require.Equal(t, encrypted == "true", got.Get("X-Forwarded-Proto") == "https")
		for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X_forwarded_for"} {
			require.Empty(t, got.Values(name))
		}
		require.Regexp(t, `^[0-9a-f]{32}$`, a.header.Get("X-Request-Id"))
		require.Equal(t, []string{a.header.Get("X-Request-Id")}, got.Values("X-Request-Id"))
		require.Equal(t, encrypted == "true", a.header.Get("Strict-Transport-Security") != "")
		require.Equal(t, address, a.line["client"])
		require.Equal(t, "/who", a.line["path"], "no query in the log")
		require.NotContains(t, f.out.String(), "geheim")
	}
}

func TestNginx_RepeatsOnlyWhatNobodyHasBegun(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	var posts, broken atomic.Int64
	f.standIn(t, 1, func(_ http.ResponseWriter, r *http.Request) { // reads, perhaps acts, and dies
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
		broken.Add(1)
		panic(http.ErrAbortHandler)
	})
	f.standIn(t, 2, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
	})
	f.names.are(f.replica(1), f.replica(2), f.replica(3)) // where nobody listens
	f.run(t)
	c := from(t, "127.0.0.1")
	failed, n := 0, 60
	for i := range n {
		require.Equal(t, http.StatusOK, f.get(t, c, "/").status, "a GET is repeated")
		path := []string{"/api/videos", "/api/public/videos/x/vote"}[i%2] // an upload, and what is not
		res, err := c.Post("http://"+f.plain+path, "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		a := f.told(t, res, res.Body)
		if tried := a.line["upstream"].(string); strings.Contains(tried, f.replica(1)) {
			failed++
			require.Equal(t, http.StatusBadGateway, a.status)
			require.True(t, strings.HasSuffix(tried, f.replica(1)+":"+f.port), "tried elsewhere: %s", tried)
		} else {
			require.Equal(t, http.StatusOK, a.status, "nobody had begun: %s", tried)
		}
	}
	require.EqualValues(t, n, posts.Load(), "no POST arrives twice")
	require.NotZero(t, failed)
	require.Greater(t, broken.Load(), int64(failed), "GETs met the broken one too")
}

func TestNginx_SlowHeadersEnd(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir()).run(t)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			answer, lived, err := drip(t.Context(), "http://"+f.plain, "GET /api/videos HTTP/1.1\r\nHost: anb\r\nX-Slow: ", "x")
			if err != nil || answer != "" || lived > 12*time.Second {
				t.Errorf("a slow header got %q after %s: %v", answer, lived, err)
			}
		})
	}
	requireProblem(t, f.get(t, from(t, "127.0.0.1"), "/metrics"), 404, "NOT_FOUND") // others are served
	group.Wait()
}

func TestNginx_CompressesTextOnly(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	f.standIn(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		_, _ = io.WriteString(w, strings.Repeat("canasta ", 1000))
	})
	f.names.are(f.replica(1))
	f.run(t)
	c := from(t, "127.0.0.1")
	for kind, want := range map[string]bool{
		"application/json": true, "application/problem+json": true, "text/html; charset=utf-8": true, "text/css; charset=utf-8": true, "text/javascript; charset=utf-8": true,
		"image/svg+xml": true, "text/event-stream": false, "video/mp4": false, "image/jpeg": false, "application/octet-stream": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.plain+"/", nil)
		require.NoError(t, err)
		req.URL.RawQuery = url.Values{"type": {kind}}.Encode()
		req.Header.Set("Accept-Encoding", "gzip")
		res, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, want, res.Header.Get("Content-Encoding") == "gzip", kind)
		require.Equal(t, want, res.Header.Get("Vary") == "Accept-Encoding", kind)
		n, err := io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, n < 8000, kind)
	}
}
