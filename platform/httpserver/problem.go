package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/logging"
)

// problem is the body of every error (RFC 9457).
type problem struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code"`
	RequestID string        `json:"request_id"`
	Errors    []fault.Field `json:"errors,omitempty"`
}

var statusOf = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.NotAllowed:      http.StatusMethodNotAllowed,
	fault.Timeout:         http.StatusRequestTimeout,
	fault.Conflict:        http.StatusConflict,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Unsupported:     http.StatusUnsupportedMediaType,
	fault.BadRange:        http.StatusRequestedRangeNotSatisfiable,
	fault.TooMany:         http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// The faults of the frame itself.
var (
	errInternal    = fault.New(fault.Internal, "INTERNAL", "Ocurrió un error inesperado. Intenta de nuevo más tarde.")
	errNotFound    = fault.New(fault.NotFound, "NOT_FOUND", "El recurso solicitado no existe.")
	errMethod      = fault.New(fault.NotAllowed, "METHOD_NOT_ALLOWED", "El método no está permitido para este recurso.")
	errTimeout     = fault.New(fault.Timeout, "REQUEST_TIMEOUT", "La solicitud tardó demasiado en llegar.")
	errTooLarge    = fault.New(fault.TooLarge, "BODY_TOO_LARGE", "El cuerpo de la solicitud es demasiado grande.")
	errUnsupported = fault.New(fault.Unsupported, "UNSUPPORTED_MEDIA_TYPE", "El tipo de contenido no es compatible. Envía JSON en UTF-8.")
	errMalformed   = fault.New(fault.Invalid, "MALFORMED_JSON", "El cuerpo de la solicitud no es un JSON válido.")
)

// asFault finds the fault in err: the only place where an error becomes a
// status. What is not known to be the client's or a dependency's is Internal.
func asFault(err error) *fault.Error {
	var (
		f *fault.Error
		h *echo.HTTPError
	)
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &h): // from the router
		switch h.Code {
		case http.StatusNotFound:
			return errNotFound
		case http.StatusMethodNotAllowed:
			return errMethod
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded): // a dependency's; a slow body is a fault already
		return fault.ErrUnavailable.Because(err)
	}
	return errInternal.Because(err)
}

// Fault is what of an error may be answered, and Status with which status: for
// pages, which answer errors in their own way.
func Fault(err error) *fault.Error { return asFault(err) }

// Status is the status of a fault.
func Status(f *fault.Error) int { return statusOf[f.Kind] }

// problemKey is where errorHandler leaves the code that it answered.
const problemKey = "httpserver.problem"

// errorHandler answers err, and logs it when it is the server's.
func errorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		ctx := c.Request().Context()
		f := asFault(err)
		status := statusOf[f.Kind]
		if ctx.Err() != nil && status >= 500 {
			log.DebugContext(ctx, "client went away", slog.String("route", c.Path()))
			if !c.Response().Committed {
				c.Response().Status = 499 // as nginx counts it; nobody reads it
			}
			return
		}
		if status >= 500 {
			log.ErrorContext(ctx, "request failed", slog.String("method", c.Request().Method),
				slog.String("route", c.Path()), slog.Int("status", status), slog.Any("error", err))
		}
		if c.Response().Committed {
			return
		}
		c.Set(problemKey, f.Code)
		h := c.Response().Header()
		switch f.Kind {
		case fault.Unauthenticated:
			if h.Get(echo.HeaderWWWAuthenticate) == "" { // some routes ask for other proof
				h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="anb"`)
			}
		case fault.TooMany, fault.Unavailable:
			after := max(f.RetryAfter, time.Second)
			h.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(after.Seconds()))))
		}
		h.Set(echo.HeaderContentType, "application/problem+json")
		h.Set(echo.HeaderCacheControl, "no-store")
		body, err := json.Marshal(problem{
			Type: "/docs/errors#" + f.Code, Title: http.StatusText(status), Status: status,
			Detail: f.Message, Code: f.Code, RequestID: logging.RequestID(ctx), Errors: f.Fields,
		})
		if err != nil {
			log.ErrorContext(ctx, "encode problem", slog.Any("error", err))
			body = []byte("{}")
		}
		// The client knows where the answer ends even while Drain still reads.
		h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
		c.Response().WriteHeader(status)
		_, _ = c.Response().Write(body) // the client may have gone
	}
}
