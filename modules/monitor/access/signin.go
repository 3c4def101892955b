package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
)

// The cookie's name, with and without TLS: browsers accept the first only with
// Secure, without a domain and for all paths, so that no other host can set it.
const (
	secureCookie = "__Host-anb_monitor"
	plainCookie  = "anb_monitor"
)

// cookieBytes is how much of a cookie's value is random.
const cookieBytes = 32

// SignIn checks a password and starts a session whose cookie goes out with the
// answer; one that the browser had before ends. It fails with ErrCredentials,
// after the same work for unknown names, with ErrTooManyAttempts, which says when
// to try again, with passwords.ErrBusy, and with fault.ErrUnavailable.
func (g *Guard) SignIn(c echo.Context, name, password string) error {
	r := c.Request()
	ctx, address := r.Context(), g.address(r)
	e, err := g.verify(ctx, address, name, password)
	if err != nil {
		g.log.WarnContext(ctx, "sign-in refused", slog.String("address", address))
		return err
	}
	raw := make([]byte, cookieBytes)
	_, _ = rand.Read(raw) // never fails
	value := base64.RawURLEncoding.EncodeToString(raw)
	if err := g.store.start(ctx, digest(value), e, g.ttl); err != nil {
		return err
	}
	if old, ok := g.cookie(r); ok {
		if err := g.endSession(ctx, digest(old)); err != nil {
			g.log.WarnContext(ctx, "previous session not ended", slog.Any("error", err))
		}
	}
	g.setCookie(c, value, int(g.ttl.Seconds()))
	g.log.InfoContext(ctx, "signed in", slog.String("name", e.name), slog.String("address", address))
	return nil
}

// SignOut ends the session of the request's cookie, so that no copy of it is
// worth anything, and has the browser forget it. Without a session it does
// nothing. When it fails the session may live on, except in this process.
func (g *Guard) SignOut(c echo.Context) error {
	value, ok := g.cookie(c.Request())
	g.setCookie(c, "", -1)
	if !ok {
		return nil
	}
	return g.endSession(c.Request().Context(), digest(value))
}

func (g *Guard) endSession(ctx context.Context, id string) error {
	g.sessions.drop(id)
	_, err := g.store.end(ctx, id)
	return err
}

// cookie returns the value of the request's session cookie.
func (g *Guard) cookie(r *http.Request) (string, bool) {
	found, err := r.Cookie(g.cookieName(r))
	if err != nil || len(found.Value) != base64.RawURLEncoding.EncodedLen(cookieBytes) {
		return "", false
	}
	return found.Value, true
}

func (g *Guard) cookieName(r *http.Request) string {
	if g.proxies.Encrypted(r) {
		return secureCookie
	}
	return plainCookie
}

// setCookie sets the session cookie for so many seconds; a negative number
// deletes it.
func (g *Guard) setCookie(c echo.Context, value string, seconds int) {
	name := g.cookieName(c.Request())
	c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds,
		Secure: name == secureCookie, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
