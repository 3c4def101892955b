package httpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"anb/platform/logging"
)

// Observe is told of each finished request: the route's template, the method,
// the status, the code of the problem that was answered, empty when none was,
// and how long it took.
type Observe func(route, method string, status int, problem string, took time.Duration)

// New returns an echo without routes: errors become problem documents, panics
// become 500, a trailing slash means the same route. observe may be nil.
func New(c Config, log *slog.Logger, observe Observe) (*echo.Echo, error) {
	proxies, err := ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted proxies hold %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = proxies.ClientAddress()
	e.JSONSerializer = serializer{}
	e.HTTPErrorHandler = errorHandler(log)
	e.Pre(requestID, frame(log, observe, e), recovered(log), middleware.RemoveTrailingSlash())
	if len(c.AllowedOrigins) > 0 {
		e.Pre(middleware.CORSWithConfig(middleware.CORSConfig{
			AllowOrigins:  c.AllowedOrigins,
			AllowMethods:  []string{"GET", "HEAD", "POST", "PATCH", "DELETE"},
			AllowHeaders:  []string{"Authorization", "Content-Type"},
			ExposeHeaders: []string{"Link", "X-Total-Count", "X-Request-Id", "Retry-After", "ETag"},
			MaxAge:        600,
		}))
	}
	return e, nil
}

// Server returns the http.Server for h with the timeouts of c. Handlers that
// take or send longer extend theirs: see Rolling.
func Server(c Config, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(10*time.Second, c.ReadTimeout),
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       75 * time.Second, // longer than balancers keep an idle connection (60 s); our nginx keeps none
		MaxHeaderBytes:    c.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// GET registers h for GET and HEAD.
func GET(e *echo.Echo, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, h, m...)
}

var goodID = regexp.MustCompile(`^[A-Za-z0-9_.-]{8,64}$`)

// requestID takes the proxy's request id or makes one, and answers it.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !goodID.MatchString(id) {
			id = uuid.NewString()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.SetRequest(c.Request().WithContext(logging.WithRequestID(c.Request().Context(), id)))
		return next(c)
	}
}

// frame sets the headers of every answer, and writes the error's answer itself,
// so that what is observed and logged is what the client saw.
func frame(log *slog.Logger, observe Observe, e *echo.Echo) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			began := time.Now()
			h := c.Response().Header()
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("X-Frame-Options", "DENY")
			h.Set("Cross-Origin-Resource-Policy", "same-site")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
			if err := next(c); err != nil {
				e.HTTPErrorHandler(err, c)
			}
			route, took := c.Path(), time.Since(began)
			if observe != nil {
				problem, _ := c.Get(problemKey).(string)
				observe(route, c.Request().Method, c.Response().Status, problem, took)
			}
			log.DebugContext(c.Request().Context(), "request", slog.String("method", c.Request().Method),
				slog.String("route", route), slog.Int("status", c.Response().Status), slog.Duration("took", took))
			return nil
		}
	}
}

// recovered turns a panic into an error, so that the process lives.
func recovered(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				r := recover()
				if r == nil {
					return
				}
				if e, ok := r.(error); ok && errors.Is(e, http.ErrAbortHandler) {
					panic(r)
				}
				log.ErrorContext(c.Request().Context(), "panic", slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
				err = fmt.Errorf("panic: %v", r)
			}()
			return next(c)
		}
	}
}

// serializer makes echo's c.JSON use the package that Bind uses. Reading goes
// through Bind only.
type serializer struct{}

func (serializer) Serialize(c echo.Context, v any, _ string) error {
	return json.MarshalWrite(c.Response(), v)
}

func (serializer) Deserialize(c echo.Context, into any) error { return Bind(c, into) }

// Drain answers the handler's error and only then reads what the client is
// still sending: otherwise many clients see a broken connection instead of the
// answer. The handler and it read at most limit bytes together, which must be
// more than the handler wants, and it takes ten seconds at most.
func Drain(limit int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			body := &bounded{ReadCloser: c.Request().Body, left: limit}
			c.Request().Body = body
			err := next(c)
			if n := c.Request().ContentLength; err == nil || n >= 0 && limit-body.left >= n {
				return err // nothing is left to read
			}
			c.Response().Header().Set(echo.HeaderConnection, "close")
			c.Error(err)
			rc := http.NewResponseController(c.Response())
			_ = rc.Flush()
			// With Expect: 100-continue nothing is sent unless we asked for it, by
			// reading.
			if body.left == limit && strings.EqualFold(c.Request().Header.Get("Expect"), "100-continue") {
				return nil
			}
			_ = rc.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.Copy(io.Discard, body)
			return nil
		}
	}
}

// bounded is a body of which at most left bytes more are read.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Routes lists the registered routes as "METHOD path", sorted, without echo's
// own and HEAD.
func Routes(e *echo.Echo) []string {
	var out []string
	for _, r := range e.Routes() {
		if r.Method != echo.RouteNotFound && r.Method != http.MethodHead {
			out = append(out, r.Method+" "+r.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Detached is a context for clean-up that must happen although the request has
// gone. The caller calls cancel.
func Detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}
