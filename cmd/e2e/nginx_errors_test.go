//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/openapi"
)

func TestNginx_AcceptsItsConfigurationWithAndWithoutCertificates(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	for _, with := range []string{"nothing", "certificates", "certificates and a balancer"} {
		switch with {
		case "certificates":
			f.certify(t, "anb.example", "192.0.2.7")
		case "certificates and a balancer":
			require.NoError(t, os.WriteFile(filepath.Join(f.dir, "conf.d/balancer.conf"), []byte("set_real_ip_from 10.0.0.0/8;\n"), 0o644))
		}
		cmd := f.command("-t")
		read, write := outputOf(t, cmd)
		failed := cmd.Run()
		require.NoError(t, write.Close())
		out, err := io.ReadAll(read)
		require.NoError(t, err)
		require.NoError(t, failed, "%s: %s", with, out)
		require.NotContains(t, string(out), "[", "%s: a warning", with)
	}
}

// secured are the headers that every answer has, once.
var secured = []string{
	"X-Request-Id", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy", "Cross-Origin-Resource-Policy", "Cache-Control",
}

// requireProblem requires an error of nginx's own that looks like one of the
// API's.
func requireProblem(t *testing.T, a told, status int, code string) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%s", a.body)
	for _, name := range secured {
		require.Len(t, a.header.Values(name), 1, "%s of %d", name, status)
	}
	entries, err := openapi.Catalogue()
	require.NoError(t, err)
	detail := ""
	for _, e := range entries {
		if e.Code == code {
			detail = e.Detail
		}
	}
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &got), "%s", a.body)
	require.Equal(t, map[string]any{
		"type": "/docs/errors#" + code, "title": http.StatusText(status), "status": float64(status), "detail": detail, "code": code,
		"request_id": a.header.Get("X-Request-Id"),
	}, got)
	switch status {
	case 429, 502, 503, 504:
		require.Equal(t, "5", a.header.Get("Retry-After"))
	case 405:
		require.Contains(t, a.header.Get("Allow"), "GET")
	default:
		require.Empty(t, a.header.Values("Retry-After"))
	}
	require.EqualValues(t, status, a.line["status"])
}

func TestNginx_ItsOwnErrorsLookLikeTheAPIs(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	f.change(t, "nginx.conf", "proxy_read_timeout 75s;", "proxy_read_timeout 1s;")
	f.run(t)
	var asked atomic.Int64
	f.standIn(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done() // it never answers
	})
	f.standIn(t, 2, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack() // it breaks
		if err == nil {
			_ = c.Close()
		}
	})
	f.names.are(f.replica(1))
	long := strings.Repeat("a", 9<<10)
	for name, tt := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"not HTTP":               {"HOLA\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"a bad header":           {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"a version to come":      {"GET / HTTP/9.0\r\nHost: anb\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"an unknown encoding":    {"POST / HTTP/1.1\r\nHost: anb\r\nTransfer-Encoding: zip\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"two lengths":            {"POST / HTTP/1.1\r\nHost: anb\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"a path out of the root": {"GET /../../etc/passwd HTTP/1.1\r\nHost: anb\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"a small letter":         {"get / HTTP/1.1\r\nHost: anb\r\n\r\n", 400, "MALFORMED_REQUEST"},
		"metrics":                {"GET /metrics HTTP/1.1\r\nHost: anb\r\n\r\n", 404, "NOT_FOUND"},
		"metrics in disguise":    {"GET //%6Detrics/?x=1 HTTP/1.1\r\nHost: anb\r\n\r\n", 404, "NOT_FOUND"},
		"its page of errors":     {"GET /.problem HTTP/1.1\r\nHost: anb\r\n\r\n", 404, "NOT_FOUND"},
		"TRACE":                  {"TRACE / HTTP/1.1\r\nHost: anb\r\n\r\n", 405, "METHOD_NOT_ALLOWED"},
		"much JSON":              {"POST /api/auth/login HTTP/1.1\r\nHost: anb\r\nContent-Length: 200000\r\n\r\n", 413, "BODY_TOO_LARGE"},
		"a long address":         {"GET /" + long + " HTTP/1.1\r\nHost: anb\r\n\r\n", 414, "URI_TOO_LONG"},
		"a long header":          {"GET / HTTP/1.1\r\nHost: anb\r\nAuthorization: Bearer " + long + "\r\n\r\n", 431, "HEADER_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) { requireProblem(t, f.send(t, tt.request), tt.status, tt.code) })
	}
	require.Zero(t, asked.Load(), "the API hears of none of these")
	for _, tt := range []struct {
		addrs    []string
		upstream string
		status   int
		code     string
	}{
		{nil, "", 502, "BAD_GATEWAY"}, // there is no such name
		{[]string{f.replica(3)}, f.replica(3) + ":" + f.port, 502, "BAD_GATEWAY"}, // nobody listens
		{[]string{f.replica(2)}, f.replica(2) + ":" + f.port, 502, "BAD_GATEWAY"},
		{[]string{f.replica(1)}, f.replica(1) + ":" + f.port, 504, "GATEWAY_TIMEOUT"},
	} {
		f.names.are(tt.addrs...)
		var a told
		require.Eventually(t, func() bool {
			a = f.send(t, "GET /api/videos HTTP/1.1\r\nHost: anb\r\n\r\n")
			return a.line["upstream"] == tt.upstream
		}, 10*time.Second, 100*time.Millisecond, "nginx does not notice the new address")
		requireProblem(t, a, tt.status, tt.code)
		requireProblem(t, f.send(t, "GET /api/videos/1/original?signature=geheim HTTP/1.1\r\nHost: anb\r\n\r\n"), tt.status, tt.code)
	}
	require.Contains(t, f.out.String(), "[error]")
	require.NotContains(t, f.out.String(), "geheim", "signatures are not for logs, not even for that of errors")
}

func TestNginx_LetsTheAPIsErrorsPass(t *testing.T) {
	t.Parallel()
	f := newFront(t, t.TempDir())
	sent := map[string]string{
		"Content-Type": "application/problem+json", "Retry-After": "17", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'", "Cross-Origin-Resource-Policy": "same-site", "Cache-Control": "no-store", "Allow": "PUT", "Www-Authenticate": `Bearer realm="anb"`,
	}
	f.standIn(t, 1, func(w http.ResponseWriter, r *http.Request) {
		for k, v := range sent {
			w.Header().Set(k, v)
		}
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"code":"OF_THE_API"}`)
	})
	f.names.are(f.replica(1))
	f.run(t)
	for _, status := range []int{400, 401, 403, 404, 405, 408, 413, 415, 416, 429, 500, 502, 503, 504} {
		a := f.send(t, "GET /?status="+strconv.Itoa(status)+" HTTP/1.1\r\nHost: anb\r\nConnection: close\r\nX-Request-Id: chosen-by-the-client\r\n\r\n")
		require.Equal(t, status, a.status)
		require.Equal(t, `{"code":"OF_THE_API"}`, a.body)
		for k, v := range sent {
			require.Equal(t, []string{v}, a.header.Values(k))
		}
		require.Len(t, a.header.Values("X-Request-Id"), 1)
		require.Regexp(t, `^[0-9a-f]{32}$`, a.header.Get("X-Request-Id"))
		require.Equal(t, []string{"nginx"}, a.header.Values("Server"))
		require.Empty(t, a.header.Values("Strict-Transport-Security"))
	}
}
