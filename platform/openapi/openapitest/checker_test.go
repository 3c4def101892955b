package openapitest

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// spy collects what a Checker reports.
type spy struct {
	mu       sync.Mutex
	problems []string
}

func (s *spy) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// answer is what the server of a test says to everything.
type answer struct {
	status int
	header map[string]string
	body   string
}

const (
	videoID = "01937b2e-8f00-7c3a-9d4e-5f6a7b8c9d01"
	healthy = `{"status":"healthy","version":"1","time":"2026-01-15T14:30:00Z"}`
	upload  = `{"message":"Video subido correctamente. Procesamiento en curso.","task_id":"` + videoID + `","video_id":"` + videoID + `","status":"uploaded"}`
	login   = `{"access_token":"x","token_type":"Bearer","expires_in":3600}`
)

func problem(code string, status int, detail string) string {
	return fmt.Sprintf(`{"type":"/docs/errors#%s","title":"x","status":%d,"detail":%q,"code":%q,"request_id":"r"}`, code, status, detail, code)
}

// send has a checked client send one request and returns what was reported.
func send(t *testing.T, base *Checker, a answer, method, path, kind string, body io.Reader, header ...string) (*spy, *Checker, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Request-Id", "r")
		w.Header().Set("Content-Type", "application/json")
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		if a.header["X-Request-Id"] == "none" {
			w.Header().Del("X-Request-Id")
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	s := &spy{}
	c := &Checker{tb: s, doc: base.doc, router: base.router, codes: base.codes, seen: map[string]bool{}}
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, body)
	require.NoError(t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{Transport: c.Transport(server.Client().Transport)}).Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return s, c, string(text)
}

func TestChecker_JudgesAnswers(t *testing.T) {
	t.Parallel()
	base := New(t)
	problemType := map[string]string{"Content-Type": "application/problem+json"}
	notFound := problem("NOT_FOUND", 404, "El recurso solicitado no existe.")
	tests := map[string]struct {
		method, path string
		answer       answer
		want         string // part of the only report; empty: none
	}{
		"right answer":             {"GET", "/health", answer{200, nil, healthy}, ""},
		"trailing slash":           {"GET", "/health/", answer{200, nil, healthy}, ""},
		"HEAD":                     {"HEAD", "/health", answer{200, nil, ""}, ""},
		"OPTIONS is left alone":    {"OPTIONS", "/health", answer{204, nil, ""}, ""},
		"field missing":            {"GET", "/health", answer{200, nil, `{"status":"healthy","version":"1"}`}, "time"},
		"field unknown":            {"GET", "/health", answer{200, nil, strings.Replace(healthy, "{", `{"x":1,`, 1)}, "x"},
		"body is not JSON":         {"GET", "/health", answer{200, nil, `{`}, "decode JSON"},
		"status undocumented":      {"GET", "/health", answer{202, nil, healthy}, "status is not documented"},
		"content type wrong":       {"GET", "/health", answer{200, map[string]string{"Content-Type": "text/html"}, healthy}, "text/html is not documented"},
		"request id missing":       {"GET", "/health", answer{200, map[string]string{"X-Request-Id": "none"}, healthy}, "X-Request-Id is missing"},
		"total missing":            {"GET", "/api/public/rankings", answer{200, nil, `[]`}, "X-Total-Count is missing"},
		"total malformed":          {"GET", "/api/public/ranking", answer{200, map[string]string{"X-Total-Count": "many"}, `[]`}, "X-Total-Count"},
		"path unknown, answered":   {"GET", "/secret", answer{200, nil, `{}`}, "not in the document"},
		"path unknown, 404":        {"GET", "/secret", answer{404, problemType, notFound}, ""},
		"path unknown, plain 404":  {"GET", "/secret", answer{404, map[string]string{"Content-Type": "text/plain"}, "no"}, "text/plain is not documented"},
		"method unknown, 404":      {"PUT", "/health", answer{404, problemType, notFound}, "want 405"},
		"method unknown, no Allow": {"PUT", "/health", answer{405, problemType, problem("METHOD_NOT_ALLOWED", 405, "El método no está permitido para este recurso.")}, "Allow is missing"},
		"code unknown":             {"GET", "/secret", answer{404, problemType, problem("GONE", 404, "x")}, "not in the catalogue"},
		"code of another status":   {"GET", "/secret", answer{404, problemType, problem("INTERNAL", 404, "x")}, "in the catalogue 500"},
		"sentence differs":         {"GET", "/secret", answer{404, problemType, problem("NOT_FOUND", 404, "Nada.")}, "detail is"},
		"plain text differs":       {"GET", "/api/health", answer{200, map[string]string{"Content-Type": "text/plain"}, "fine"}, "/api/health"},
		"plain text":               {"GET", "/api/health", answer{200, map[string]string{"Content-Type": "text/plain; charset=utf-8"}, "ok"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, body := send(t, base, tt.answer, tt.method, tt.path, "", nil)
			if tt.method == http.MethodGet {
				require.Equal(t, tt.answer.body, body, "the client still reads the body")
			}
			expect(t, s, tt.want)
		})
	}
}

func expect(t *testing.T, s *spy, want string) {
	t.Helper()
	if want == "" {
		require.Empty(t, s.problems)
		return
	}
	require.Len(t, s.problems, 1)
	require.Contains(t, s.problems[0], want)
}

func TestChecker_JudgesRequestsThatSucceed(t *testing.T) {
	t.Parallel()
	base := New(t)
	tests := map[string]struct {
		path, kind, body string
		answer           answer
		header           []string
		want             string
	}{
		"JSON":                  {"/api/auth/login", "application/json", `{"email":"a@b.co","password":"x"}`, answer{200, nil, login}, nil, ""},
		"JSON without a type":   {"/api/auth/login", "", `{"email":"a@b.co","password":"x","more":1}`, answer{200, nil, login}, nil, ""},
		"form":                  {"/api/auth/login", "application/x-www-form-urlencoded", `username=a&password=x`, answer{200, nil, login}, nil, ""},
		"field missing":         {"/api/auth/login", "application/json", `{"email":"a@b.co"}`, answer{200, nil, login}, nil, "password"},
		"form field missing":    {"/api/auth/login", "application/x-www-form-urlencoded", `username=a`, answer{200, nil, login}, nil, "password"},
		"type not documented":   {"/api/auth/login", "text/plain", `{}`, answer{200, nil, login}, nil, "content type text/plain"},
		"token missing":         {"/api/auth/logout", "", "", answer{200, nil, `{"message":"Sesión cerrada."}`}, nil, "no Authorization header"},
		"token":                 {"/api/auth/logout", "", "", answer{200, nil, `{"message":"Sesión cerrada."}`}, []string{"Authorization", "Bearer x"}, ""},
		"id malformed":          {"/api/public/videos/abc/vote", "", "", answer{200, nil, `{"message":"Voto registrado exitosamente."}`}, []string{"Authorization", "Bearer x"}, "video_id"},
		"a refusal is no error": {"/api/auth/login", "application/json", `{`, answer{400, map[string]string{"Content-Type": "application/problem+json"}, problem("MALFORMED_JSON", 400, "El cuerpo de la solicitud no es un JSON válido.")}, nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := send(t, base, tt.answer, http.MethodPost, tt.path, tt.kind, strings.NewReader(tt.body), tt.header...)
			expect(t, s, tt.want)
		})
	}
}

func TestChecker_JudgesUploadsByTheNamesOfTheirFields(t *testing.T) {
	t.Parallel()
	base := New(t)
	tests := map[string]struct {
		fields []string
		want   string
	}{
		"file and title":   {[]string{"video_file", "title"}, ""},
		"alias, any order": {[]string{"title", "file", "extra"}, ""},
		"no title":         {[]string{"file"}, "no field title"},
		"no file":          {[]string{"title"}, "no field video_file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			for _, f := range tt.fields {
				require.NoError(t, form.WriteField(f, strings.Repeat("x", 200_000)))
			}
			require.NoError(t, form.Close())
			s, _, _ := send(t, base, answer{201, nil, upload}, http.MethodPost, "/api/videos", form.FormDataContentType(), &body, "Authorization", "Bearer x")
			expect(t, s, tt.want)
		})
	}
}

func TestChecker_JudgesEachEvent(t *testing.T) {
	t.Parallel()
	base := New(t)
	header := map[string]string{"Content-Type": "text/event-stream"}
	good := `event: status` + "\n" + `data: {"video_id":"` + videoID + `","status":"processing","progress":3}` + "\n\n"
	path := "/api/videos/" + videoID + "/events"
	s, _, _ := send(t, base, answer{200, header, ": hello\n\n" + good}, http.MethodGet, path, "", nil, "Authorization", "Bearer x")
	expect(t, s, "")
	s, _, _ = send(t, base, answer{200, header, good + strings.Replace(good, `"progress":3`, `"progress":101`, 1)}, http.MethodGet, path, "", nil, "Authorization", "Bearer x")
	expect(t, s, "event")
}

func TestChecker_RemembersWhatWasExercised(t *testing.T) {
	t.Parallel()
	base := New(t)
	_, c, _ := send(t, base, answer{200, nil, healthy}, http.MethodGet, "/health", "", nil)
	uncovered := c.Uncovered()
	require.NotContains(t, uncovered, "GET /health 200")
	require.Contains(t, uncovered, "GET /api/health 200")
	require.Contains(t, uncovered, "GET /api/public/videos/{video_id}/stream 206")
	require.Contains(t, uncovered, "POST /api/auth/signup 201")
}
