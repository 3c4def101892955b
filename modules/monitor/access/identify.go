package access

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

// maxAuthorization is the length of an Authorization header that is looked at.
const maxAuthorization = 4 << 10

// errAnonymous is the cause when nothing was shown.
var errAnonymous = errors.New("neither a session nor a header")

// Require finds out who is calling, for From, and lets only those pass who may do what needs role. Others get
// fault.ErrForbidden; those who are not known ErrCredentials,
// fault.ErrUnauthenticated or, when that cannot be found out now,
// ErrTooManyAttempts, ErrLocalOnly or fault.ErrUnavailable. Browsers that want a
// page and are not known are sent to /login instead.
func (g *Guard) Require(role Role) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			who := g.identified(c)
			var f *fault.Error
			switch {
			case errors.As(who.err, &f) && f.Kind == fault.Unauthenticated:
				return g.challenge(c, who.err)
			case who.err != nil:
				return who.err
			case !who.principal.Role.Allows(role):
				return fault.ErrForbidden
			}
			return next(c)
		}
	}
}

// identified returns who is calling, once per request. An Authorization header
// counts before the cookie, and a wrong one is not made up for by it.
func (g *Guard) identified(c echo.Context) caller {
	r := c.Request()
	if who, ok := r.Context().Value(callerKey{}).(caller); ok {
		return who
	}
	var who caller
	who.principal, who.err = g.identify(r)
	who.principal.Address = g.address(r)
	c.SetRequest(r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	return who
}

func (g *Guard) identify(r *http.Request) (Principal, error) {
	if g.open {
		if !local(r) {
			return Principal{}, ErrLocalOnly
		}
		return Principal{Name: localName, Role: Admin, Via: ViaLocal}, nil
	}
	if len(r.Header.Values(echo.HeaderAuthorization)) > 0 {
		return g.byHeader(r)
	}
	value, ok := g.cookie(r)
	if !ok {
		return Principal{}, fault.ErrUnauthenticated.Because(errAnonymous)
	}
	return g.bySession(r.Context(), digest(value))
}

// local tells whether the request comes from the machine itself, and not
// through a proxy on it that anybody may reach.
func local(r *http.Request) bool {
	for _, name := range []string{echo.HeaderXForwardedFor, echo.HeaderXRealIP, "Forwarded", "X-Forwarded-Host"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	a, err := netip.ParseAddr(httpserver.Peer(r))
	return err == nil && a.Unmap().IsLoopback()
}

// authorization splits the one Authorization header.
func authorization(r *http.Request) (scheme, value string, err error) {
	given := r.Header.Values(echo.HeaderAuthorization)
	if len(given) != 1 || len(given[0]) > maxAuthorization {
		return "", "", errors.New("not one Authorization header of a common length")
	}
	scheme, value, _ = strings.Cut(given[0], " ")
	return strings.ToLower(scheme), strings.TrimSpace(value), nil
}

func (g *Guard) byHeader(r *http.Request) (Principal, error) {
	scheme, value, err := authorization(r)
	if err != nil {
		return Principal{}, fault.ErrUnauthenticated.Because(err)
	}
	switch scheme {
	case "bearer":
		if e, ok := g.tokens[digest(value)]; ok {
			return Principal{Name: e.name, Role: e.role, Via: ViaBearer}, nil
		}
		return Principal{}, ErrCredentials
	case "basic":
		raw, err := base64.StdEncoding.DecodeString(value)
		name, password, ok := strings.Cut(string(raw), ":")
		if err != nil || !ok {
			return Principal{}, fault.ErrUnauthenticated.Because(errors.New("not name:password"))
		}
		return g.byBasic(r, name, password)
	}
	return Principal{}, fault.ErrUnauthenticated.Because(errors.New("neither Bearer nor Basic"))
}

func (g *Guard) byBasic(r *http.Request, name, password string) (Principal, error) {
	if e, ok := g.tokens[digest(password)]; ok {
		if e.name != name {
			return Principal{}, ErrCredentials
		}
		return Principal{Name: e.name, Role: e.role, Via: ViaBasic}, nil
	}
	mark := g.mark(name, password)
	if e, ok := g.proven.get(mark); ok {
		return Principal{Name: e.name, Role: e.role, Via: ViaBasic}, nil
	}
	e, err := g.verify(r.Context(), g.address(r), name, password)
	if err != nil {
		return Principal{}, err
	}
	g.proven.put(mark, e)
	return Principal{Name: e.name, Role: e.role, Via: ViaBasic}, nil
}

// challenge asks for proof: pages by the form, programs by Basic. A browser's
// scripts are not asked for Basic, which would open a window of the browser's.
func (g *Guard) challenge(c echo.Context, cause error) error {
	r := c.Request()
	if program(r) {
		way := `Basic realm="anb monitor", charset="UTF-8"`
		if r.Header.Get("Sec-Fetch-Mode") != "" || strings.HasPrefix(r.UserAgent(), "Mozilla/") {
			way = `Bearer realm="anb monitor"`
		}
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, way)
		return cause
	}
	to := loginPath
	if safe(r.Method) {
		if next := Local(r.URL.RequestURI()); next != "/" {
			to += "?next=" + url.QueryEscape(next)
		}
	}
	return c.Redirect(http.StatusSeeOther, to)
}

// program tells whether no page is wanted.
func program(r *http.Request) bool {
	path := r.URL.Path
	return path == "/api" || strings.HasPrefix(path, "/api/") || path == "/metrics" ||
		!strings.Contains(r.Header.Get(echo.HeaderAccept), echo.MIMETextHTML)
}
