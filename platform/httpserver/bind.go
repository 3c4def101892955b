package httpserver

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"os"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
)

// maxDepth is how deeply a request may nest; no request of ours needs four.
const maxDepth = 32

// limitKey is where Limit keeps the body limit for Bind.
const limitKey = "anb:limit"

// Limit sets the largest JSON body that Bind reads, in bytes.
func Limit(n int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Set(limitKey, n)
			return next(c)
		}
	}
}

// Bind reads a JSON object of at most 64 KiB (see Limit) into the struct that
// into points to. Unknown fields are ignored. It fails with 415 for another
// content type or charset, 413 for a larger body, 408 for one that does not
// arrive in time, and 400 for what is not a JSON object in UTF-8, for repeated names, for NUL characters, and, naming the
// field, for a value of the wrong type.
func Bind(c echo.Context, into any) error {
	r := c.Request()
	if err := acceptJSON(r.Header.Get(echo.HeaderContentType), r.Header.Get("Content-Encoding")); err != nil {
		return err
	}
	limit, ok := c.Get(limitKey).(int64)
	if !ok {
		limit = 64 << 10
	}
	if r.ContentLength > limit {
		return errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err = tooSlow(err); errors.Is(err, errTimeout) {
		return err
	}
	if err != nil {
		return errMalformed.Because(err)
	}
	if int64(len(body)) > limit {
		return errTooLarge
	}
	if err := shallowObject(body); err != nil {
		return errMalformed.Because(err)
	}
	err = json.Unmarshal(body, into)
	var wrong *json.SemanticError
	switch {
	case errors.As(err, &wrong):
		name := strings.TrimPrefix(string(wrong.JSONPointer), "/")
		return fault.Validation([]fault.Field{{Field: name, Code: "WRONG_TYPE", Message: "El campo «" + name + "» tiene un tipo de dato inválido."}})
	case err != nil:
		return errMalformed.Because(err)
	}
	return noNUL(into)
}

// tooSlow makes a fault of a body that did not arrive in time.
func tooSlow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout.Because(err)
	}
	return err
}

func acceptJSON(contentType, encoding string) error {
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errUnsupported
	}
	if contentType == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || (media != "application/json" && !strings.HasSuffix(media, "+json")) {
		return errUnsupported
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return errUnsupported
	}
	return nil
}

// shallowObject checks the shape before anything is decoded: one object, well
// formed, not nested beyond maxDepth.
func shallowObject(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	if d.PeekKind() != '{' {
		return errors.New("not an object")
	}
	for {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
		switch depth := d.StackDepth(); {
		case depth > maxDepth:
			return errors.New("nested too deeply")
		case depth == 0:
			if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
				return errors.New("more after the object")
			}
			return nil
		}
	}
}

// noNUL refuses strings with U+0000, which PostgreSQL cannot store.
func noNUL(into any) error {
	v := reflect.Indirect(reflect.ValueOf(into))
	var fields []fault.Field
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		if f.Kind() != reflect.String || !strings.ContainsRune(f.String(), 0) {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields = append(fields, fault.Field{Field: name, Code: "INVALID_CHARACTER", Message: "El campo «" + name + "» contiene caracteres no permitidos."})
	}
	return fault.Validation(fields)
}
