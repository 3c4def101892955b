package httpserver

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
)

// Answer is a public answer built once and sent to many.
type Answer struct {
	body []byte
	etag string
	head http.Header
}

// NewAnswer encodes v; head holds further headers for it.
func NewAnswer(v any, head http.Header) (*Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return &Answer{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, head: head}, nil
}

// Send answers a, or 304 to a client that has it already.
func (a *Answer) Send(c echo.Context) error {
	h := c.Response().Header()
	for k, vs := range a.head {
		h[k] = vs
	}
	h.Set("ETag", a.etag)
	h.Set(echo.HeaderCacheControl, "public, max-age=1")
	for tag := range strings.SplitSeq(c.Request().Header.Get("If-None-Match"), ",") {
		if t := strings.TrimPrefix(strings.TrimSpace(tag), "W/"); t == a.etag || t == "*" {
			return c.NoContent(http.StatusNotModified)
		}
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, a.body)
}
