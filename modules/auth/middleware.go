package auth

import (
	"errors"
	"strings"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/identity"
)

// Require lets only authenticated requests pass, with their
// identity.Principal in the context; others get fault.ErrUnauthenticated.
func (m *Module) Require(next echo.HandlerFunc) echo.HandlerFunc { return m.guard(next, true) }

// Optional is like Require but lets requests without an Authorization header
// pass as anonymous. A bad token is still refused.
func (m *Module) Optional(next echo.HandlerFunc) echo.HandlerFunc { return m.guard(next, false) }

// Both are middleware.
var _, _ echo.MiddlewareFunc = (*Module)(nil).Require, (*Module)(nil).Optional

func (m *Module) guard(next echo.HandlerFunc, must bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		given := r.Header.Values(echo.HeaderAuthorization)
		if len(given) == 0 && !must {
			return next(c)
		}
		token, err := bearer(given)
		if err != nil {
			return fault.ErrUnauthenticated.Because(err)
		}
		p, err := m.Authenticate(r.Context(), token)
		if err != nil {
			return err
		}
		c.SetRequest(r.WithContext(identity.With(r.Context(), p)))
		return next(c)
	}
}

// bearer returns the token of the one Authorization header.
func bearer(headers []string) (string, error) {
	if len(headers) != 1 {
		return "", errors.New("not one Authorization header")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errors.New("not a bearer token")
	}
	return token, nil
}
