package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// Headers puts the headers of safety on every answer and lets only requests
// pass that mean us: by a name that the dashboard answers to, and, unless they
// cannot change anything, not made by another site's page. It belongs before
// everything, as Pre middleware.
//
// It fails with ErrHost and ErrCrossSite.
func (g *Guard) Headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", g.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// Other sites learn nothing of our addresses, as with no-referrer; but that
		// would make browsers send "Origin: null" with our own forms, and without
		// TLS the origin is all that tells ours from another's.
		h.Set("Referrer-Policy", "same-origin")
		h.Set(echo.HeaderCacheControl, "no-store")
		if !g.knows(c.Request().Host) {
			return ErrHost
		}
		if err := g.sameOrigin(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// It is middleware.
var _ echo.MiddlewareFunc = (*Guard)(nil).Headers

// knows tells whether the dashboard answers to the Host header. On loopback that
// stops other sites' names that suddenly mean this machine (DNS rebinding).
// Bound to elsewhere a browser under such a name has no cookie, so that any
// will do unless a list is configured.
func (g *Guard) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = canonical(name)
	return loopback(name) || g.hosts[name] || !g.loopback && len(g.hosts) == 0
}

// canonical is one way to write a host, without brackets and a last dot.
func canonical(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	return host
}

// sameOrigin fails with ErrCrossSite when a request could change something and
// a browser says, or does not deny, that another site's page made it. Programs
// send neither Sec-Fetch-Site nor Origin and pass. So does who sends a token:
// no page can have it sent, since we never allow other origins anything.
func (g *Guard) sameOrigin(r *http.Request) error {
	if scheme, _, err := authorization(r); err == nil && scheme == "bearer" && !g.open {
		return nil
	}
	if err := g.origin.Check(r); err != nil {
		return ErrCrossSite.Because(err)
	}
	if r.Host == "" && r.Header.Get(echo.HeaderOrigin) != "" && !safe(r.Method) {
		return ErrCrossSite // "Origin: null" would equal it
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
