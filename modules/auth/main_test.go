package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/identity"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const secret = "0123456789abcdef0123456789abcdef"

// cheap hashes in a millisecond; one test takes the real cost.
func cheap() Config {
	return Config{
		JWTSecret: secret, TokenTTL: time.Hour, Issuer: "anb", Audience: "anb-api",
		HashMemory: 64, HashIterations: 1, HashParallel: 4, HashWait: 30 * time.Second,
	}
}

type fakeDirectory struct {
	mu      sync.Mutex
	err     error
	changes []Player
}

func (f *fakeDirectory) PlayerChanged(_ context.Context, p Player) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, p)
	return f.err
}

// spy does something after each hash that was made or checked.
type spy struct {
	hashes
	after func(stored string)
}

func (s spy) Hash(ctx context.Context, password string) (string, error) {
	stored, err := s.hashes.Hash(ctx, password)
	s.after(stored)
	return stored, err
}

func (s spy) Verify(ctx context.Context, password, stored string) (ok, stale bool, err error) {
	ok, stale, err = s.hashes.Verify(ctx, password, stored)
	s.after(stored)
	return ok, stale, err
}

// costOf is the part of a hash that says what it takes.
func costOf(stored string) string { return strings.Join(strings.SplitN(stored, "$", 5)[:4], "$") }

// bundle is a module behind a real echo.
type bundle struct {
	*Module
	directory *fakeDirectory
	echo      *echo.Echo
	logs      *bytes.Buffer
}

func setup(t *testing.T, d *database.DB, change ...func(*Config)) *bundle {
	t.Helper()
	c := cheap()
	for _, f := range change {
		f(&c)
	}
	b := &bundle{directory: &fakeDirectory{}, logs: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: b.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	b.Module, err = New(Deps{DB: d, Directory: b.directory, Config: c, Now: time.Now, Log: log})
	require.NoError(t, err)
	b.echo, err = httpserver.New(httpserver.Config{}, log, nil)
	require.NoError(t, err)
	b.Routes(b.echo)
	httpserver.GET(b.echo, "/optional", func(c echo.Context) error {
		_, known := identity.From(c.Request().Context())
		return c.JSON(http.StatusOK, map[string]bool{"known": known})
	}, b.Optional)
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// answer is what a client got.
type answer struct {
	status int
	head   http.Header
	text   string
	body   map[string]any
}

func (a answer) code() any { return a.body["code"] }

// fields are the names of the fields at fault.
func (a answer) fields() []string {
	var names []string
	list, _ := a.body["errors"].([]any)
	for _, e := range list {
		names = append(names, e.(map[string]any)["field"].(string))
	}
	return names
}

func (b *bundle) do(r *http.Request) answer {
	w := httptest.NewRecorder()
	b.echo.ServeHTTP(w, r)
	a := answer{status: w.Code, head: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	return a
}

// send sends body, which is JSON already or is encoded, with a token if any.
func (b *bundle) send(method, path, token string, body any) answer {
	var r io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(v)
	default:
		j, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		r = bytes.NewReader(j)
	}
	req := httptest.NewRequest(method, path, r)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return b.do(req)
}

type fields map[string]any

// person is a valid sign-up with the changes; a nil change removes the field.
func person(email string, changes fields) fields {
	f := fields{
		"first_name": "Ana", "last_name": "Díaz", "email": email, "password1": "StrongPass123",
		"password2": "StrongPass123", "city": "Bogotá", "country": "Colombia",
	}
	for k, v := range changes {
		f[k] = v
		if v == nil {
			delete(f, k)
		}
	}
	return f
}

// join signs somebody up and in, and returns the token and the id.
func (b *bundle) join(t *testing.T, email string) (token, id string) {
	t.Helper()
	a := b.send("POST", "/api/auth/signup", "", person(email, nil))
	require.Equal(t, 201, a.status, a.text)
	return b.login(t, email, "StrongPass123"), a.body["id"].(string)
}

func (b *bundle) login(t *testing.T, email, password string) string {
	t.Helper()
	a := b.send("POST", "/api/auth/login", "", fields{"email": email, "password": password})
	require.Equal(t, 200, a.status, a.text)
	return a.body["access_token"].(string)
}

func count(t *testing.T, d *database.DB, table string) int64 {
	t.Helper()
	var n int64
	require.NoError(t, d.Read(t.Context()).Table(table).Count(&n).Error)
	return n
}
