// Package fault holds the one error type whose text users may see.
//
// A use case returns either a fault, made once as a sentinel, or a wrapped
// cause. Faults carry the stable code and the Spanish sentence of the API's
// contract; causes go to the log and never to a client.
package fault

import (
	"fmt"
	"slices"
	"time"
)

// Kind says whose fault it is and so decides the HTTP status. The zero value
// is Internal.
type Kind int

// The kinds, and the status that httpserver gives each.
const (
	Internal        Kind = iota // 500
	Invalid                     // 400
	Unauthenticated             // 401
	Forbidden                   // 403
	NotFound                    // 404
	NotAllowed                  // 405
	Timeout                     // 408
	Conflict                    // 409: what is there is in another state; not in the public API, whose contract has none
	TooLarge                    // 413
	Unsupported                 // 415
	BadRange                    // 416
	TooMany                     // 429
	Unavailable                 // 503
)

// Field is one problem with one field of the request.
type Field struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error is a failure that the client may know about. Sentinels are shared:
// the methods that add something return a changed copy.
type Error struct {
	Kind       Kind
	Code       string        // stable, in capitals: VIDEO_NOT_FOUND
	Message    string        // Spanish, a full sentence
	Fields     []Field       // the fields at fault, if any
	RetryAfter time.Duration // when to try again; zero: not said
	cause      error
}

// New makes a sentinel.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error gives the code, the message and the cause, for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the same fault, whatever was added to it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// Because returns a copy with a cause, which only the log will show.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy that names fields at fault.
func (e *Error) With(fields ...Field) *Error {
	c := *e
	c.Fields = append(slices.Clone(e.Fields), fields...)
	return &c
}

// After returns a copy that tells the client when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// The faults that any module may return.
var (
	ErrUnauthenticated = New(Unauthenticated, "UNAUTHENTICATED", "Debes iniciar sesión para realizar esta acción.")
	ErrForbidden       = New(Forbidden, "FORBIDDEN", "No tienes permiso para realizar esta acción.")
	ErrParameter       = New(Invalid, "INVALID_PARAMETER", "Parámetro inválido en la consulta.")
	ErrValidation      = New(Invalid, "VALIDATION_FAILED", "Hay campos inválidos en la solicitud.")
	ErrUnavailable     = New(Unavailable, "UNAVAILABLE", "El servicio no está disponible en este momento. Intenta de nuevo en unos segundos.").After(5 * time.Second)
)

// Validation returns nil when no field is at fault, else ErrValidation with
// the fields; its sentence is the first field's, so that a client that shows
// only the sentence says something useful.
func Validation(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	e := ErrValidation.With(fields...)
	e.Message = fields[0].Message
	return e
}
