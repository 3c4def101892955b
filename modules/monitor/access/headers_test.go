package access

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeaders_RefuseWhatAnotherSitesPageSends(t *testing.T) {
	t.Parallel()
	guard, open := setup(t, guarded()), setup(t, laptop())
	proofs := map[string]struct {
		b       *bundle
		headers []string
	}{
		"cookie": {guard, []string{guard.enter(t, "ana", anaPassword)}},
		"Basic":  {guard, []string{basic("ana", anaPassword)}},
		"local":  {open, nil},
		"local, with a token that means nothing there": {open, []string{bearer("x")}},
	}
	for name, p := range proofs {
		for how, tt := range map[string]struct {
			headers []string
			pass    bool
		}{
			"a program":                      {nil, true},
			"our page":                       {[]string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:5555"}, true},
			"typed in":                       {[]string{"Sec-Fetch-Site: none"}, true},
			"our page, old browser or plain": {[]string{"Origin: http://localhost:5555"}, true},
			"another site":                   {[]string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, false},
			"another port":                   {[]string{"Sec-Fetch-Site: same-site", "Origin: http://localhost:8000"}, false},
			"another site, plain":            {[]string{"Origin: http://evil.example"}, false},
			"another port, plain":            {[]string{"Origin: http://localhost:8000"}, false},
			"a frame without an origin":      {[]string{"Origin: null"}, false},
			"cross-site without an origin":   {[]string{"Sec-Fetch-Site: cross-site"}, false},
			"a value of tomorrow":            {[]string{"Sec-Fetch-Site: else"}, false},
		} {
			w := p.b.send("POST", "/operator", append(tt.headers, p.headers...)...)
			if tt.pass {
				require.Equal(t, http.StatusOK, w.Code, "%s: %s: %s", name, how, w.Body)
			} else {
				require.Equal(t, http.StatusForbidden, w.Code, "%s: %s", name, how)
				require.Equal(t, "CROSS_SITE", code(t, w), "%s: %s", name, how)
			}
			require.Equal(t, http.StatusOK, p.b.send("GET", "/viewer", append(tt.headers, p.headers...)...).Code, "%s: %s: reading changes nothing", name, how)
		}
	}
	token := bearer(made().operator)
	require.Equal(t, http.StatusOK, guard.send("POST", "/operator", token, "Sec-Fetch-Site: cross-site").Code, "no page can have a token sent")
	require.Equal(t, http.StatusUnauthorized, guard.send("POST", "/api/operator", bearer("x"), proofs["cookie"].headers[0], "Sec-Fetch-Site: cross-site").Code, "nor does a wrong one excuse a cookie")
	w := guard.try("127.0.0.1", "ana", anaPassword, "Sec-Fetch-Site: cross-site")
	require.Equal(t, http.StatusForbidden, w.Code, "signing somebody in as somebody else is a change too")
	require.Empty(t, w.Result().Cookies())
	require.Equal(t, http.StatusForbidden, guard.send("POST", "/operator", proofs["cookie"].headers[0], "Host: ", "Origin: null").Code)
}

func TestHeaders_AnswerOnlyToTheirOwnNames(t *testing.T) {
	t.Parallel()
	named := func(c Config, hosts ...string) Config {
		c.AllowedHosts = hosts
		return c
	}
	guardedLoopback := guarded()
	guardedLoopback.Addr = "[::1]:5555"
	rebound := []string{"evil.example", "evil.example:5555", "localhost.evil.example", "127.0.0.1.evil.example:5555", "0.0.0.0:5555", "10.0.0.1", "", "a:b:c", "[evil]:5555"}
	loopbacks := []string{"localhost", "LOCALHOST:5555", "localhost.:5555", "127.0.0.1:5555", "127.0.0.2", "[::1]:5555", "[::1]", "[::ffff:127.0.0.1]:80"}
	for name, tt := range map[string]struct {
		config    Config
		yes, no   []string
		anonymous int
	}{
		"laptop":                   {laptop(), loopbacks, rebound, 200},
		"laptop with a name":       {named(laptop(), "Panel.test.", "fd00::7"), append([]string{"panel.test:5555", "PANEL.test", "[FD00:0::7]:5555"}, loopbacks...), append([]string{"x.panel.test", "panel.testx"}, rebound...), 200},
		"loopback with users":      {guardedLoopback, loopbacks, rebound, 401},
		"public, any name":         {guarded(), append([]string{"panel.example", "10.0.0.1:5555", ""}, loopbacks...), nil, 401},
		"public, names configured": {named(guarded(), "panel.example"), append([]string{"panel.example:5555"}, loopbacks...), rebound, 401},
	} {
		b := setup(t, tt.config)
		for _, host := range tt.yes {
			require.Equal(t, tt.anonymous, b.send("GET", "/api/viewer", "Host: "+host).Code, "%s: %q", name, host)
		}
		for _, host := range tt.no {
			for _, path := range []string{"/api/viewer", "/free", "/nowhere"} {
				w := b.send("GET", path, "Host: "+host)
				require.Equal(t, http.StatusForbidden, w.Code, "%s: %q", name, host)
				require.Equal(t, "HOST_NOT_ALLOWED", code(t, w), "%s: %q", name, host)
			}
		}
	}
}

func TestHeaders_AreOnEveryAnswerAndNeverAllowAnotherOrigin(t *testing.T) {
	t.Parallel()
	b := setup(t, guarded())
	for _, r := range []*http.Request{
		request("GET", "/viewer", bearer(made().viewer), "Origin: https://evil.example"),
		request("GET", "/viewer", "Accept: text/html", "Origin: null"),
		request("GET", "/api/viewer"), request("GET", "/api/admin", bearer(made().viewer)),
		request("GET", "/nowhere"), request("PUT", "/viewer"), request("POST", "/operator", "Origin: https://evil.example"),
		request("OPTIONS", "/operator", "Origin: https://evil.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"),
		request("POST", "/login"), request("GET", "/free", "Origin: http://localhost:5555"),
	} {
		w := b.do(r)
		h := w.Header()
		what := r.Method + " " + r.URL.Path
		require.Equal(t, "default-src 'self'; img-src 'self' data: https://files.example:9000; media-src 'self' data: https://files.example:9000; "+
			"frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'", h.Get("Content-Security-Policy"), what)
		for name, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			require.Equal(t, []string{value}, h.Values(name), what)
		}
		for name := range h {
			require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s: %s", what, name)
		}
	}
}

func TestLocal_IsNeverAnotherSite(t *testing.T) {
	t.Parallel()
	for _, next := range []string{
		"", "/", "jobs", "//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " /jobs", "/jobs\r\nSet-Cookie: x=y",
		"https://evil.example", "http:/evil.example", "https:evil.example", "javascript:alert(1)", "data:text/html,x", "//user@evil.example/", "/%zz", "/a b", "/a\\b", "/a\x00", "/a\x7f",
		"/login", "/login?next=/x", "/logout", "/" + strings.Repeat("x", maxNext), "?x=/jobs", "#/jobs", "@evil.example", ".evil.example",
	} {
		require.Equal(t, "/", Local(next), "%q", next)
	}
	for _, next := range []string{"/jobs", "/jobs?state=dead&q=a+b", "/jobs/018f-7?tab=log#end", "/%2f/evil.example", "/jobs?next=https://evil.example", "/loginx", "/a:b@c"} {
		require.Equal(t, next, Local(next))
	}
}
