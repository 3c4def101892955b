package httpserver

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/logging"
)

// routed is an echo with a route for GET and one for POST.
func routed(t *testing.T, change ...func(*Config)) *echo.Echo {
	t.Helper()
	e, _ := newEcho(t, change...)
	GET(e, "/api/things", func(c echo.Context) error { return c.String(http.StatusOK, "things") })
	e.POST("/api/things", func(c echo.Context) error { return c.String(http.StatusCreated, "made") })
	GET(e, "/api/things/:id", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("id")) })
	GET(e, "/", func(c echo.Context) error { return c.String(http.StatusOK, "root") })
	return e
}

func TestNew_UnknownPathsAre404AndNeverRedirect(t *testing.T) {
	t.Parallel()
	e := routed(t)
	for _, path := range []string{
		"/nothing", "/api", "/API/things", "//api//things", "/api/./things", "/api/x/../things", "/api/things%2F",
		"//evil.com/..", "//evil.com/", "//evil.com/%2e%2e", "/\\evil.com/", "///evil.com//", "/api/things//",
	} {
		r := request(t, "GET", "/", nil)
		r.URL.Path, r.RequestURI = path, path
		if strings.Contains(path, "%") {
			u, err := r.URL.Parse("http://anb.co" + path)
			require.NoError(t, err)
			r.URL = u
		}
		w := send(e, r)
		requireProblem(t, w, http.StatusNotFound, "NOT_FOUND")
		require.Empty(t, w.Header().Get("Location"), path)
	}
}

func TestNew_ATrailingSlashIsTheSameRoute(t *testing.T) {
	t.Parallel()
	e := routed(t)
	for _, method := range []string{"GET", "POST"} {
		plain := send(e, request(t, method, "/api/things?x=1", nil))
		slash := send(e, request(t, method, "/api/things/?x=1", nil))
		require.Less(t, plain.Code, 300)
		require.Equal(t, plain.Code, slash.Code)
		require.Equal(t, plain.Body.String(), slash.Body.String())
	}
	require.Equal(t, "root", send(e, request(t, "GET", "/", nil)).Body.String())
	require.Equal(t, "7", send(e, request(t, "GET", "/api/things/7/", nil)).Body.String())
}

func TestGET_AnswersHEADWithoutABody(t *testing.T) {
	t.Parallel()
	s := serve(t, sound(), routed(t))
	r, err := http.Head(s.URL + "/api/things")
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Body.Close()) }()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Empty(t, body)
	require.NotEmpty(t, r.Header.Get("X-Request-Id"))
}

func TestNew_OtherMethodsAre405WithAllow(t *testing.T) {
	t.Parallel()
	e := routed(t)
	for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE", "FOO", "get", "PROPFIND", "CONNECT"} {
		w := send(e, request(t, method, "/api/things", nil))
		requireProblem(t, w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		for _, allowed := range []string{"GET", "HEAD", "POST"} {
			require.Contains(t, w.Header().Get("Allow"), allowed, method)
		}
		require.NotContains(t, w.Body.String(), "TRACE")
	}
	r := request(t, "POST", "/api/things/7", nil)
	r.Header.Set("X-HTTP-Method-Override", "GET")
	requireProblem(t, send(e, r), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
}

func TestNew_AllowsOnlyListedOrigins(t *testing.T) {
	t.Parallel()
	preflight := func(e *echo.Echo, origin string) http.Header {
		r := request(t, "OPTIONS", "/api/things", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := send(e, r)
		require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, w.Code)
		return w.Header()
	}
	e := routed(t, func(c *Config) { c.AllowedOrigins = []string{"https://anb.co"} })
	h := preflight(e, "https://anb.co")
	require.Equal(t, "https://anb.co", h.Get("Access-Control-Allow-Origin"))
	require.Contains(t, h.Get("Access-Control-Allow-Methods"), "POST")
	require.Contains(t, h.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Empty(t, h.Get("Access-Control-Allow-Credentials"))
	for _, origin := range []string{"https://evil.co", "null", "https://anb.co.evil.co", "http://anb.co", "https://anb.co:444", ""} {
		require.Empty(t, preflight(e, origin).Get("Access-Control-Allow-Origin"), origin)
		r := request(t, "GET", "/api/things", nil)
		r.Header.Set("Origin", origin)
		require.Empty(t, send(e, r).Header().Get("Access-Control-Allow-Origin"), origin)
	}
	r := request(t, "GET", "/nothing", nil)
	r.Header.Set("Origin", "https://anb.co")
	require.Equal(t, "https://anb.co", send(e, r).Header().Get("Access-Control-Allow-Origin"), "pages can read errors too")
	require.Empty(t, preflight(routed(t), "https://anb.co").Get("Access-Control-Allow-Origin"), "none by default")
}

func TestNew_AnswersTheProxysRequestIDOrOneOfItsOwn(t *testing.T) {
	t.Parallel()
	e := routed(t)
	GET(e, "/id", func(c echo.Context) error { return c.String(http.StatusOK, logging.RequestID(c.Request().Context())) })
	id := func(sent ...string) string {
		r := request(t, "GET", "/id", nil)
		for _, s := range sent {
			r.Header.Add("X-Request-Id", s)
		}
		w := send(e, r)
		require.Equal(t, w.Header().Get("X-Request-Id"), w.Body.String())
		require.Len(t, w.Header().Values("X-Request-Id"), 1)
		return w.Body.String()
	}
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", id("0af7651916cd43dd8448eb211c80319c"))
	for _, bad := range []string{"", "short", "with space", strings.Repeat("a", 65), "<script>alert(1)</script>", "a\r\nSet-Cookie: x=1", "línea-nueva"} {
		got := id(bad)
		require.Len(t, got, 36, bad)
		require.NotEqual(t, got, id(bad))
	}
}

func TestNew_FindsTheClientsAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		proxies []string
		peer    string
		head    map[string]string
		want    string
	}{
		"no proxy":                {nil, "203.0.113.9:4000", nil, "203.0.113.9"},
		"no proxy, spoofed":       {nil, "203.0.113.9:4000", map[string]string{"X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4"}, "203.0.113.9"},
		"loopback is no proxy":    {nil, "127.0.0.1:4000", map[string]string{"X-Forwarded-For": "1.2.3.4"}, "127.0.0.1"},
		"private is no proxy":     {[]string{"192.0.2.1"}, "10.0.0.7:4000", map[string]string{"X-Forwarded-For": "1.2.3.4"}, "10.0.0.7"},
		"behind a proxy":          {[]string{"10.0.0.0/8"}, "10.0.0.7:4000", map[string]string{"X-Forwarded-For": "1.2.3.4"}, "1.2.3.4"},
		"proxy, spoofed before":   {[]string{"10.0.0.7"}, "10.0.0.7:4000", map[string]string{"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		"two proxies":             {[]string{"10.0.0.0/8"}, "10.0.0.7:4000", map[string]string{"X-Forwarded-For": "6.6.6.6, 1.2.3.4, 10.9.9.9"}, "1.2.3.4"},
		"proxy, X-Real-IP unused": {[]string{"10.0.0.7"}, "10.0.0.7:4000", map[string]string{"X-Real-IP": "6.6.6.6"}, "10.0.0.7"},
		"proxy, not an address":   {[]string{"10.0.0.7"}, "10.0.0.7:4000", map[string]string{"X-Forwarded-For": "unknown"}, "10.0.0.7"},
		"around the proxy":        {[]string{"10.0.0.7"}, "203.0.113.9:4000", map[string]string{"X-Forwarded-For": "1.2.3.4"}, "203.0.113.9"},
		"IPv6":                    {[]string{"fd00::/8"}, "[fd00::1]:4000", map[string]string{"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7"},
	} {
		e := routed(t, func(c *Config) { c.TrustedProxies = test.proxies })
		GET(e, "/ip", func(c echo.Context) error { return c.String(http.StatusOK, c.RealIP()) })
		r := request(t, "GET", "/ip", nil)
		r.RemoteAddr = test.peer
		for k, v := range test.head {
			r.Header.Set(k, v)
		}
		require.Equal(t, test.want, send(e, r).Body.String(), name)
	}
}

func TestNew_ObservesTemplatesNotPaths(t *testing.T) {
	t.Parallel()
	var seen []string
	e, err := New(sound(), slog.New(slog.DiscardHandler), func(route, method string, status int, problem string, _ time.Duration) {
		seen = append(seen, strings.TrimSpace(method+" "+route+" "+http.StatusText(status)+" "+problem))
	})
	require.NoError(t, err)
	GET(e, "/things/:id", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	for _, path := range []string{"/things/1", "/things/2/", "/secret/path"} {
		send(e, request(t, "GET", path, nil))
	}
	send(e, request(t, "POST", "/things/1", nil))
	require.Equal(t, []string{"GET /things/:id OK", "GET /things/:id OK"}, seen[:2])
	require.NotContains(t, strings.Join(seen, " "), "secret", "the number of series stays bounded")
	require.Len(t, seen, 4)
	require.True(t, strings.HasSuffix(seen[2], "Not Found NOT_FOUND"), seen[2])
	require.Equal(t, []string{"GET /things/:id"}, Routes(e))
}

func TestConfig_ValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	good := sound()
	good.TrustedProxies, good.PublicURL = []string{"10.0.0.0/8", "::1", "192.0.2.7"}, "https://anb.co"
	require.NoError(t, good.Validate())
	err := Config{Addr: "8000", PublicURL: "anb.co", TrustedProxies: []string{"proxy"}, ShutdownDelay: -1}.Validate()
	for _, key := range []string{
		"http.addr", "http.public_url", "http.trusted_proxies", "http.read_timeout", "http.write_timeout", "http.shutdown_grace",
		"http.shutdown_delay", "http.max_header_bytes", "http.max_json_bytes",
	} {
		require.ErrorContains(t, err, key)
	}
	bad := sound()
	bad.Addr = ":99999"
	require.ErrorContains(t, bad.Validate(), "ANB_HTTP_ADDR")
	_, err = New(Config{TrustedProxies: []string{"x"}}, slog.New(slog.DiscardHandler), nil)
	require.Error(t, err)
}
