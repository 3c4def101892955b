package access

import (
	"bytes"
	"context"
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
	"golang.org/x/crypto/bcrypt"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/passwords"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// What the users of the tests know.
const (
	anaPassword   = "ana-knows-this-one"
	eliasPassword = "elias-knows-another"
	annPassword   = "ann-has-a-third-one-of-exactly-seventy-two-bytes-which-bcrypt-can-take-7"
)

// cheap makes hashes in a millisecond.
func cheap(password string) string {
	return passwords.Cost{Memory: 64, Iterations: 1, Lanes: 1}.Hash(password, nil)
}

// made is what costs a while to make, once for all tests.
var made = sync.OnceValue(func() (m struct{ bcrypt, viewer, operator, tokens string }) {
	hash, err := bcrypt.GenerateFromPassword([]byte(annPassword), minBcrypt)
	if err != nil {
		panic(err)
	}
	m.bcrypt = string(hash)
	var one, two string
	m.viewer, one, _ = NewToken("scraper", Viewer)
	m.operator, two, _ = NewToken("ci", Operator)
	m.tokens = one + "\n" + two
	return m
})

// guarded is a configuration with users and tokens, public.
func guarded() Config {
	return Config{
		Addr: "0.0.0.0:5555", SessionTTL: time.Hour,
		Users:  "# people\nana:admin:" + cheap(anaPassword) + "\n\nelias:operator:" + cheap(eliasPassword) + "\nann:viewer:" + made().bcrypt + "\n",
		Tokens: made().tokens,
	}
}

// quick is like guarded without the hash that takes long, for tests that try many names.
func quick() Config {
	c := guarded()
	c.Users = c.Users[:strings.Index(c.Users, "ann:")]
	return c
}

// laptop is a configuration without users.
func laptop() Config { return Config{Addr: "127.0.0.1:5555", SessionTTL: time.Hour} }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bundle is a guard in front of a dashboard with a page for each role.
type bundle struct {
	*Guard
	db    *database.DB
	clock *clock
	echo  *echo.Echo
	logs  *bytes.Buffer
}

// on starts a guard of c on d; the routes are /viewer, /operator and /admin, by
// GET and POST, each also below /api, and /free, which nobody guards.
func on(t *testing.T, d *database.DB, c Config) *bundle {
	t.Helper()
	b := &bundle{db: d, clock: &clock{t: time.Now()}, logs: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: b.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	b.Guard, err = New(Deps{DB: d, Config: c, Origins: []string{"https://files.example:9000"}, Now: b.clock.now, Log: log})
	require.NoError(t, err)
	b.echo, err = httpserver.New(httpserver.Config{TrustedProxies: c.TrustedProxies}, log, nil)
	require.NoError(t, err)
	b.echo.Pre(b.Headers)
	hello := func(c echo.Context) error {
		p, _ := From(c.Request().Context())
		return c.JSON(http.StatusOK, map[string]string{"name": p.Name, "role": string(p.Role), "via": p.Via, "address": p.Address, "session": p.Session})
	}
	for _, role := range roles() {
		for _, path := range []string{"/" + string(role), "/api/" + string(role)} {
			httpserver.GET(b.echo, path, hello, b.Require(role))
			b.echo.POST(path, hello, b.Require(role))
		}
	}
	httpserver.GET(b.echo, "/free", hello)
	b.echo.POST("/login", func(c echo.Context) error {
		if err := b.SignIn(c, c.FormValue("name"), c.FormValue("password")); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, Local(c.FormValue("next")))
	})
	b.echo.POST("/logout", func(c echo.Context) error {
		if err := b.SignOut(c); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	return b
}

func setup(t *testing.T, c Config) *bundle {
	t.Helper()
	return on(t, dbtest.SQLite(t), c)
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// request is one from the machine itself with the headers, "Name: value" each.
func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://localhost:5555"+path, nil)
	r.RemoteAddr = "127.0.0.1:4000"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

func (b *bundle) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.echo.ServeHTTP(w, r)
	return w
}

func (b *bundle) send(method, path string, headers ...string) *httptest.ResponseRecorder {
	return b.do(request(method, path, headers...))
}

// try signs in from an address.
func (b *bundle) try(address, name, password string, headers ...string) *httptest.ResponseRecorder {
	r := request("POST", "/login", headers...)
	r.RemoteAddr = address + ":4000"
	r.PostForm = map[string][]string{"name": {name}, "password": {password}}
	r.Form = r.PostForm
	return b.do(r)
}

// enter signs in and returns the Cookie header.
func (b *bundle) enter(t *testing.T, name, password string) string {
	t.Helper()
	w := b.try("127.0.0.1", name, password)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	return "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
}

func basic(name, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return "Authorization: " + r.Header.Get("Authorization")
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// contextEnded is the context of a request whose client has gone.
func contextEnded() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}
