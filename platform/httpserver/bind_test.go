package httpserver

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

type form struct {
	Name string  `json:"name"`
	Age  int     `json:"age"`
	Note *string `json:"note,omitempty"`
}

// bound is an echo whose POST / answers what Bind read.
func bound(t *testing.T) *echo.Echo {
	t.Helper()
	e, _ := newEcho(t)
	e.POST("/", func(c echo.Context) error {
		var f form
		if err := Bind(c, &f); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, f)
	})
	e.POST("/small", func(c echo.Context) error { return Bind(c, &form{}) }, Limit(20))
	return e
}

func TestBind_RefusesWhatIsNotAPlainObject(t *testing.T) {
	t.Parallel()
	e := bound(t)
	for name, body := range map[string]string{
		"empty":                 "",
		"space":                 " \n",
		"null":                  "null",
		"array":                 "[]",
		"string":                `"x"`,
		"number":                "1",
		"true":                  "true",
		"cut":                   "{",
		"cut in a string":       `{"name":"x`,
		"two objects":           "{}{}",
		"something after":       "{} x",
		"byte order mark":       "\ufeff{}",
		"NaN":                   `{"age":NaN}`,
		"infinity":              `{"age":-Infinity}`,
		"comment":               `{/* x */}`,
		"single quotes":         `{'name':'x'}`,
		"no quotes":             `{name:"x"}`,
		"comma at the end":      `{"name":"x",}`,
		"leading zero":          `{"age":007}`,
		"line break in string":  "{\"name\":\"a\nb\"}",
		"raw NUL":               "{\"name\":\"a\x00b\"}",
		"broken UTF-8":          "{\"name\":\"\xff\xfe\"}",
		"broken UTF-8, unknown": "{\"other\":\"\xff\xfe\"}",
		"broken UTF-8, name":    "{\"\xff\":1}",
		"half a surrogate":      `{"name":"\ud800"}`,
		"repeated":              `{"name":"a","name":"b"}`,
		"repeated unknown":      `{"x":1,"x":2}`,
		"arrays nested":         strings.Repeat("[", 60_000),
		"arrays nested inside":  `{"x":` + strings.Repeat("[", 60_000),
		"objects nested":        strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
		"nested, yet closed":    strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40),
	} {
		began := time.Now()
		w := send(e, request(t, "POST", "/", strings.NewReader(body)))
		require.Less(t, time.Since(began), 2*time.Second, name)
		p := requireProblem(t, w, http.StatusBadRequest, "MALFORMED_JSON")
		require.Empty(t, p.Errors, name)
		require.NotContains(t, w.Body.String(), "jsontext", name)
	}
}

func TestBind_NamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	e := bound(t)
	for body, want := range map[string][2]string{
		`{"name":1}`:                           {"name", "WRONG_TYPE"},
		`{"name":["x"]}`:                       {"name", "WRONG_TYPE"},
		`{"name":{"$gt":""}}`:                  {"name", "WRONG_TYPE"},
		`{"name":true}`:                        {"name", "WRONG_TYPE"},
		`{"name":"x","age":"7"}`:               {"age", "WRONG_TYPE"},
		`{"age":1.5}`:                          {"age", "WRONG_TYPE"},
		`{"age":99999999999999999999999}`:      {"age", "WRONG_TYPE"},
		`{"name":"a\u0000b"}`:                  {"name", "INVALID_CHARACTER"},
		`{"name":"x","note":"\u0000"}`:         {"note", "INVALID_CHARACTER"},
		`{"unknown":"\u0000","note":"\u0000"}`: {"note", "INVALID_CHARACTER"},
	} {
		p := requireProblem(t, send(e, request(t, "POST", "/", strings.NewReader(body))), http.StatusBadRequest, "VALIDATION_FAILED")
		require.Len(t, p.Errors, 1, body)
		require.Equal(t, want[0], p.Errors[0].Field, body)
		require.Equal(t, want[1], p.Errors[0].Code, body)
		require.Equal(t, p.Errors[0].Message, p.Detail, body)
	}
}

func TestBind_ReadsWhatItShould(t *testing.T) {
	t.Parallel()
	e := bound(t)
	for body, want := range map[string]string{
		`{}`:                        `{"name":"","age":0}`,
		" {\"name\" : \"x\"}\n\n":   `{"name":"x","age":0}`,
		`{"name":null,"note":null}`: `{"name":"","age":0}`,
		`{"name":"Zoë 李 \ud83c\udfc0","age":-3}`:     `{"name":"Zoë 李 🏀","age":-3}`,
		`{"NAME":"other","role":"admin","x":[[{}]]}`: `{"name":"","age":0}`,
		`{"name":"<&>","note":"x"}`:                  `{"name":"<&>","age":0,"note":"x"}`,
	} {
		w := send(e, request(t, "POST", "/", strings.NewReader(body)))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.JSONEq(t, want, w.Body.String())
		require.True(t, strings.HasPrefix(w.Header().Get("Content-Type"), "application/json"))
	}
}

func TestBind_TakesJSONInUTF8Only(t *testing.T) {
	t.Parallel()
	e := bound(t)
	for contentType, status := range map[string]int{
		"":                                  200,
		"application/json":                  200,
		"Application/JSON":                  200,
		"application/json; charset=utf-8":   200,
		`application/json; charset="UTF-8"`: 200,
		"application/merge-patch+json":      200,
		"application/json; charset=utf-16":  415,
		"application/json; charset=latin1":  415,
		"text/plain":                        415,
		"application/xml":                   415,
		"application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x":   415,
		"application/jsonx":                 415,
		";":                                 415,
		"application/json; charset":         415,
	} {
		r := request(t, "POST", "/", strings.NewReader(`{"name":"x"}`))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		w := send(e, r)
		require.Equal(t, status, w.Code, contentType)
		if status == 415 {
			requireProblem(t, w, 415, "UNSUPPORTED_MEDIA_TYPE")
		}
	}
	for encoding, status := range map[string]int{"gzip": 415, "br": 415, "deflate, gzip": 415, "identity": 200} {
		r := request(t, "POST", "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Encoding", encoding)
		require.Equal(t, status, send(e, r).Code, encoding)
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestBind_RefusesLargeBodiesWithoutReadingThem(t *testing.T) {
	t.Parallel()
	e := bound(t)
	large := func() io.Reader { return io.LimitReader(endless{}, 10<<20) }
	for name, length := range map[string]int64{"with its length": 10 << 20, "without": -1, "with a lie": 10} {
		body := &counted{Reader: large()}
		r := request(t, "POST", "/", body)
		r.ContentLength = length
		requireProblem(t, send(e, r), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
		require.LessOrEqual(t, body.n, 128<<10, name)
	}
	exact := `{"name":"` + strings.Repeat("x", 64<<10-11) + `"}`
	require.Equal(t, http.StatusOK, send(e, request(t, "POST", "/", strings.NewReader(exact))).Code)
	requireProblem(t, send(e, request(t, "POST", "/", strings.NewReader(exact+" "))), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
	requireProblem(t, send(e, request(t, "POST", "/small", strings.NewReader(`{"name":"123456789012"}`))), http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
}

// endless is an endless string.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestBind_OfABodyThatStallsIs408(t *testing.T) {
	t.Parallel()
	c := sound()
	c.ReadTimeout = 200 * time.Millisecond
	s := serve(t, c, bound(t))
	conn := dial(t, s)
	write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"name\":")
	require.Equal(t, http.StatusRequestTimeout, answerOf(t, conn).StatusCode)
}
