package videos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
	"anb/platform/lifecycle"
	"anb/platform/storage"
	"anb/platform/textkey"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// maxTest is the size limit of uploads in tests, in bytes.
const maxTest = 1 << 20

type fakeInspector struct{ err error }

func (f *fakeInspector) Inspect(_ context.Context, path string) (Measured, error) {
	_, err := os.Stat(path)
	return phone(), errors.Join(err, f.err)
}

// phone is what uploads of tests are like.
func phone() Measured {
	return Measured{Duration: 30 * time.Second, Width: 1080, Height: 1920, Codec: "hevc"}
}

type fakeQueue struct {
	mu        sync.Mutex
	err       error
	task      uuid.UUID
	progress  float64
	cancelled map[uuid.UUID]bool
}

func (f *fakeQueue) Enqueue(context.Context, uuid.UUID) (uuid.UUID, error) { return f.task, f.err }

func (f *fakeQueue) Cancel(_ context.Context, id uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancelled[id] = true
	return nil
}

func (f *fakeQueue) Latest(context.Context, uuid.UUID) (uuid.UUID, string, float64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.task, "encode", f.progress, true, nil
}

func (f *fakeQueue) advance(percent float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress = percent
}

// requireUser takes a user's id as a token.
func requireUser(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := uuid.Parse(strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer "))
		if err != nil {
			return fault.ErrUnauthenticated
		}
		c.SetRequest(c.Request().WithContext(identity.With(c.Request().Context(), identity.Principal{UserID: id})))
		return next(c)
	}
}

// bundle is a module behind a real server on a real disk.
type bundle struct {
	*Module
	db        *database.DB
	catalog   *Catalog
	inspector *fakeInspector
	queue     *fakeQueue
	folder    string // of originals
	public    string // folder of processed files
	addr      string
	url       string
	client    *http.Client
	user      uuid.UUID
	received  atomic.Int64 // bytes that the server has read
	now       atomic.Int64 // seconds added to the clock
	stop      func()       // begins the shutdown
	stopped   chan error
}

// setup takes change, if any, before the module is made.
func setup(t *testing.T, d *database.DB, change ...func(*Deps)) *bundle {
	t.Helper()
	b := &bundle{
		db: d, inspector: &fakeInspector{}, queue: &fakeQueue{task: uuid.New(), cancelled: map[uuid.UUID]bool{}},
		folder: filepath.Join(t.TempDir(), "originals"), public: filepath.Join(t.TempDir(), "processed"), stopped: make(chan error, 1),
	}
	open := func(dir string) storage.Store {
		s, err := storage.Open(t.Context(), storage.Config{URL: dir})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	clock := func() time.Time { return time.Now().Add(time.Duration(b.now.Load()) * time.Second) }
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	deps := Deps{
		DB: d, Originals: open(b.folder), Processed: open(b.public), Inspector: b.inspector, Queue: b.queue,
		Reason: func(code string) string { return "Motivo " + code + "." }, Public: cache.New(time.Minute, 100, clock),
		SigningKey: []byte(strings.Repeat("k", 32)), Require: requireUser, Now: clock, Log: log,
		Metrics: prometheus.NewRegistry(), ReadTimeout: 10 * time.Second, SendTimeout: 10 * time.Second,
		Config: Config{MaxBytes: maxTest, Formats: []string{"mp4", "mov"}, OriginalTTL: time.Minute},
	}
	for _, f := range change {
		f(&deps)
	}
	b.catalog = NewCatalog(d, deps.Public, clock)
	var err error
	b.Module, err = New(deps)
	require.NoError(t, err)
	b.user = addUser(t, d, "Ana", "Díaz", "Bogotá")
	b.serve(t, log)
	return b
}

func (b *bundle) serve(t *testing.T, log *slog.Logger) {
	t.Helper()
	config := httpserver.Config{ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 16}
	e, err := httpserver.New(config, log, nil)
	require.NoError(t, err)
	b.Routes(e)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.addr = ln.Addr().String()
	b.url = "http://" + b.addr
	transport := &http.Transport{}
	b.client = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	run := lifecycle.HTTP(log, httpserver.Server(config, e, log), countingListener{ln, &b.received}, &lifecycle.Gate{}, 0, 5*time.Second)
	go func() { b.stopped <- run(ctx) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		require.NoError(t, <-b.stopped)
	})
}

// countingListener counts what its connections read.
type countingListener struct {
	net.Listener
	n *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.n}, err
}

type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func addUser(t *testing.T, d *database.DB, first, last, city string) uuid.UUID {
	t.Helper()
	id := uuid.New()
	now := database.At(time.Now())
	require.NoError(t, d.Write(t.Context()).Exec(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		VALUES (?, ?, ?, 'x', ?, ?, ?, ?, 'Colombia', ?, ?)`, id, id.String(), id.String(), first, last, city, textkey.Fold(city), now, now).Error)
	return id
}

// answer is what a client got.
type answer struct {
	status int
	head   http.Header
	text   string
	code   string // of a problem
}

// into decodes the body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.text), v), a.text)
}

func read(t *testing.T, r *http.Response) answer {
	t.Helper()
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	a := answer{status: r.StatusCode, head: r.Header, text: string(text)}
	if len(text) > 0 && r.Header.Get("Content-Type") == "application/problem+json" {
		var p struct{ Code string }
		require.NoError(t, json.Unmarshal(text, &p))
		a.code = p.Code
	}
	return a
}

// send makes a request as the given user, uuid.Nil for nobody; header are
// pairs of names and values.
func (b *bundle) send(t *testing.T, method, path string, as uuid.UUID, body io.Reader, header ...string) answer {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.url + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, path, body)
	require.NoError(t, err)
	if as != uuid.Nil {
		r.Header.Set("Authorization", "Bearer "+as.String())
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := b.client.Do(r)
	require.NoError(t, err)
	return read(t, res)
}

func (b *bundle) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	return b.send(t, http.MethodGet, path, b.user, nil, header...)
}

// left lists what remains of uploads: rows, files, open descriptors.
func (b *bundle) left(t testing.TB) []string {
	var out []string
	var rows int64
	require.NoError(t, b.db.Read(t.Context()).Table("videos").Count(&rows).Error)
	if rows > 0 {
		out = append(out, fmt.Sprintf("%d rows", rows))
	}
	err := filepath.WalkDir(b.folder, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	require.NoError(t, err)
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(to, b.folder+"/") {
			out = append(out, "open: "+to)
		}
	}
	return out
}
