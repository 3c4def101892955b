package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

func TestErrorHandler_GivesEachErrorItsAnswer(t *testing.T) {
	t.Parallel()
	cause := errors.New(`pq: relation "s3cret" does not exist at /srv/app`)
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
		head   map[string]string
	}{
		"unknown":            {cause, 500, "INTERNAL", nil},
		"wrapped":            {fmt.Errorf("load: %w", cause), 500, "INTERNAL", nil},
		"invalid":            {fmt.Errorf("x: %w", fault.ErrParameter.Because(cause)), 400, "INVALID_PARAMETER", nil},
		"unauthenticated":    {fault.ErrUnauthenticated.Because(cause), 401, "UNAUTHENTICATED", map[string]string{"WWW-Authenticate": `Bearer realm="anb"`}},
		"forbidden":          {fault.ErrForbidden, 403, "FORBIDDEN", nil},
		"not found":          {fault.New(fault.NotFound, "GONE", "No está."), 404, "GONE", nil},
		"conflict":           {fault.New(fault.Conflict, "TAKEN", "Ya está."), 409, "TAKEN", nil},
		"too many":           {fault.New(fault.TooMany, "SLOW", "Espera.").After(1500 * time.Millisecond), 429, "SLOW", map[string]string{"Retry-After": "2"}},
		"too many, unsaid":   {fault.New(fault.TooMany, "SLOW", "Espera."), 429, "SLOW", map[string]string{"Retry-After": "1"}},
		"unavailable":        {fmt.Errorf("x: %w", fault.ErrUnavailable.Because(cause)), 503, "UNAVAILABLE", map[string]string{"Retry-After": "5"}},
		"deadline":           {fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "UNAVAILABLE", map[string]string{"Retry-After": "5"}},
		"slow body":          {fmt.Errorf("read: %w", tooSlow(os.ErrDeadlineExceeded)), 408, "REQUEST_TIMEOUT", nil},
		"slow dependency":    {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 503, "UNAVAILABLE", map[string]string{"Retry-After": "5"}},
		"range":              {fault.New(fault.BadRange, "RANGE", "Rango inválido."), 416, "RANGE", nil},
		"dependency refused": {&net.OpError{Op: "dial", Err: errors.New("refused")}, 500, "INTERNAL", nil},
		"router's teapot":    {echo.NewHTTPError(418, cause.Error()), 500, "INTERNAL", nil},
		"joined":             {errors.Join(cause, fault.ErrForbidden), 403, "FORBIDDEN", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, l := newEcho(t)
			e.GET("/things/:id", func(echo.Context) error { return test.err })
			w := send(e, request(t, "GET", "/things/7", nil))
			requireProblem(t, w, test.status, test.code)
			require.NotContains(t, w.Body.String(), "s3cret", "causes never reach a client")
			for k, v := range test.head {
				require.Equal(t, v, w.Header().Get(k))
			}
			if test.status < 500 {
				require.Empty(t, l.String(), "the client's mistakes are not logged")
				return
			}
			require.Contains(t, l.String(), "route=/things/:id")
			require.Contains(t, l.String(), w.Header().Get("X-Request-Id"))
		})
	}
}

func TestErrorHandler_KnowsAStatusForEveryKind(t *testing.T) {
	t.Parallel()
	for kind := fault.Internal; kind <= fault.Unavailable; kind++ {
		require.GreaterOrEqual(t, statusOf[kind], 400, kind)
	}
	require.Len(t, statusOf, int(fault.Unavailable)+1)
}

func TestErrorHandler_NamesFields(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	fields := []fault.Field{{Field: "email", Code: "INVALID", Message: "El email no es válido."}, {Field: "city", Code: "REQUIRED", Message: "La ciudad es obligatoria."}}
	e.GET("/", func(echo.Context) error { return fault.Validation(fields) })
	p := requireProblem(t, send(e, request(t, "GET", "/", nil)), 400, "VALIDATION_FAILED")
	require.Equal(t, fields, p.Errors)
	require.Equal(t, "El email no es válido.", p.Detail)
}

func TestErrorHandler_OfAClientThatHasGoneIsSilent(t *testing.T) {
	t.Parallel()
	e, l := newEcho(t)
	ctx, cancel := context.WithCancel(t.Context())
	e.GET("/", func(echo.Context) error {
		cancel()
		return ctx.Err()
	})
	send(e, request(t, "GET", "/", nil).WithContext(ctx))
	require.Empty(t, l.String())
}

func TestErrorHandler_AfterTheAnswerBeganOnlyLogs(t *testing.T) {
	t.Parallel()
	e, l := newEcho(t)
	e.GET("/", func(c echo.Context) error {
		_ = c.String(http.StatusOK, "half")
		return errors.New("disk broke")
	})
	w := send(e, request(t, "GET", "/", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "half", w.Body.String())
	require.Contains(t, l.String(), "disk broke")
}

func TestNew_APanicIs500AndTheProcessLives(t *testing.T) {
	t.Parallel()
	e, l := newEcho(t)
	e.GET("/", func(echo.Context) error { panic("s3cret at /srv") })
	e.GET("/nil", func(echo.Context) error {
		var p *problem
		return errors.New(p.Code)
	})
	e.GET("/abort", func(echo.Context) error { panic(http.ErrAbortHandler) })
	for _, path := range []string{"/", "/nil"} {
		w := send(e, request(t, "GET", path, nil))
		requireProblem(t, w, 500, "INTERNAL")
		require.NotContains(t, w.Body.String(), "s3cret")
		require.NotContains(t, w.Body.String(), "goroutine")
	}
	require.Contains(t, l.String(), "problem_test.go", "the log has the stack")
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { send(e, request(t, "GET", "/abort", nil)) }, "net/http cuts the connection")
}

func TestAnswer_IsSentOnceToWhoHasIt(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	a, err := NewAnswer([]string{"<x>"}, http.Header{"X-Total-Count": {"1"}})
	require.NoError(t, err)
	GET(e, "/", a.Send)
	get := func(tag string) *http.Response {
		r := request(t, "GET", "/", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		return send(e, r).Result()
	}
	r := get("")
	tag := r.Header.Get("ETag")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Regexp(t, `^"[\w-]{16}"$`, tag)
	require.Equal(t, "1", r.Header.Get("X-Total-Count"))
	require.Contains(t, r.Header.Get("Cache-Control"), "max-age=1")
	for sent, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, tag[:5]: 200, "": 200,
	} {
		r := get(sent)
		require.Equal(t, status, r.StatusCode, sent)
		require.Equal(t, tag, r.Header.Get("ETag"), sent)
	}
	other, err := NewAnswer([]string{"<y>"}, nil)
	require.NoError(t, err)
	require.NotEqual(t, a.etag, other.etag)
	_, err = NewAnswer(func() {}, nil)
	require.Error(t, err)
}
