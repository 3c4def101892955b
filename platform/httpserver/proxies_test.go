package httpserver

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

func TestProxies_SayWhetherAConnectionIsEncrypted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		proxies    []string
		peer, says string
		tls, want  bool
	}{
		"plain":                   {nil, "203.0.113.9:4000", "", false, false},
		"with us":                 {nil, "203.0.113.9:4000", "", true, true},
		"a client says so":        {nil, "203.0.113.9:4000", "https", false, false},
		"another address says so": {[]string{"10.0.0.7"}, "10.0.0.8:4000", "https", false, false},
		"the proxy says so":       {[]string{"10.0.0.7"}, "10.0.0.7:4000", "HTTPS", false, true},
		"the proxy says not":      {[]string{"10.0.0.7"}, "10.0.0.7:4000", "http", false, false},
		"the proxy says nothing":  {[]string{"10.0.0.7"}, "10.0.0.7:4000", "", false, false},
		"an IPv6 proxy says so":   {[]string{"fd00::/8"}, "[fd00::1]:4000", "https", false, true},
		"nobody knows who":        {[]string{"10.0.0.7"}, "@", "https", false, false},
	} {
		proxies, err := ParseProxies(tt.proxies)
		require.NoError(t, err)
		r := request(t, "GET", "/", nil)
		r.RemoteAddr = tt.peer
		if tt.says != "" {
			r.Header.Set("X-Forwarded-Proto", tt.says)
		}
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		require.Equal(t, tt.want, proxies.Encrypted(r), name)
	}
}

func TestNew_KeepsTheProofThatARouteAsksFor(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	e.GET("/basic", func(c echo.Context) error {
		c.Response().Header().Set("WWW-Authenticate", `Basic realm="x"`)
		return fault.ErrUnauthenticated
	})
	e.GET("/bearer", func(echo.Context) error { return fault.ErrUnauthenticated })
	require.Equal(t, []string{`Basic realm="x"`}, send(e, request(t, http.MethodGet, "/basic", nil)).Header().Values("WWW-Authenticate"))
	require.Equal(t, []string{`Bearer realm="anb"`}, send(e, request(t, http.MethodGet, "/bearer", nil)).Header().Values("WWW-Authenticate"))
}
