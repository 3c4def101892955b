package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/monitor/access"
	"anb/modules/processing"
	"anb/modules/videos"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/textkey"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// testBus stands for the message bus, which tests of this package do not need.
type testBus struct {
	mu     sync.Mutex
	down   error
	poison int64
}

func (b *testBus) Messages(context.Context, string) (waiting, poison int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return 0, b.poison, b.down
}

func (b *testBus) set(down error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}
func (b *testBus) Send(context.Context, string, string, string) error { return nil }
func (b *testBus) Depth(context.Context, string) (int64, error)       { return 0, nil }

type testLinks struct{}

func (testLinks) Poster(key string) string     { return "http://api.test/processed/" + key }
func (testLinks) Video(key string) string      { return "http://api.test/processed/" + key }
func (testLinks) Original(id uuid.UUID) string { return "http://api.test/original/" + id.String() }

// world is a dashboard on a database of its own, with what obeys it.
type world struct {
	t    *testing.T
	db   *database.DB
	bus  *testBus
	m    *Module
	e    *echo.Echo
	user uuid.UUID

	change func(*Config) // before each restart; may be nil
}

const (
	testQueue     = "video_queue"
	testHeartbeat = 10 * time.Second
)

// people have passwords that are as long as they must be.
var people = map[string]access.Role{"vera": access.Viewer, "oscar": access.Operator, "ada": access.Admin}

func newWorld(t *testing.T, d *database.DB) *world {
	t.Helper()
	w := &world{t: t, db: d, bus: &testBus{}, user: uuid.New()}
	w.restart()
	w.exec(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		VALUES (?, 'ana@example.com', 'ana@example.com', 'x', 'Ana', 'Gil', 'Cali', 'cali', 'Colombia', ?, ?)`, w.user, database.At(time.Now()), database.At(time.Now()))
	return w
}

// restart makes the dashboard anew, as a new process has it.
func (w *world) restart() {
	w.t.Helper()
	processingConfig := processing.Config{
		Queue: testQueue, MaxAttempts: 3, Lease: 30 * time.Second, Heartbeat: testHeartbeat, Timeout: time.Minute,
		RetryBase: time.Second, RetryCap: time.Minute, SweepInterval: time.Second, Grace: time.Minute, WorkDir: "x", CacheDir: "x",
	}
	catalog := videos.NewCatalog(w.db, cache.New(time.Second, 1, time.Now), time.Now)
	operator, err := processing.NewOperator(processing.OperatorDeps{DB: w.db, Videos: catalog, Bus: w.bus, Config: processingConfig, Now: time.Now, Log: discard()})
	require.NoError(w.t, err)
	c := Config{DiskLow: 1 << 30, Config: access.Config{Addr: "127.0.0.1:5555", SessionTTL: time.Hour, Tokens: tokenLines(w.t)}}
	if w.change != nil {
		w.change(&c)
	}
	guard, err := access.New(access.Deps{DB: w.db, Config: c.Config, Origins: []string{"http://api.test"}, Now: time.Now, Log: discard()})
	require.NoError(w.t, err)
	w.m, err = New(Deps{
		DB: w.db, Bus: w.bus, Control: operator, Links: testLinks{}, Guard: guard, Explain: func(code string) string { return "Explicación de " + code },
		Registry: prometheus.NewRegistry(), Queues: []string{testQueue}, Heartbeat: testHeartbeat, Version: "1.2.3", Now: time.Now, Log: discard(), Config: c,
	})
	require.NoError(w.t, err)
	w.e, err = httpserver.New(httpserver.Config{}, discard(), nil)
	require.NoError(w.t, err)
	w.e.HTTPErrorHandler = w.m.Errors(w.e.HTTPErrorHandler)
	require.NoError(w.t, w.m.Routes(w.e, http.NotFoundHandler()))
}

var madeTokens = sync.OnceValue(func() map[string][2]string {
	out := map[string][2]string{}
	for name, role := range people {
		token, line, err := access.NewToken(name, role)
		if err != nil {
			panic(err)
		}
		out[name] = [2]string{token, line}
	}
	return out
})

func tokenLines(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, x := range madeTokens() {
		lines = append(lines, x[1])
	}
	return strings.Join(lines, "\n")
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	require.NoError(w.t, w.db.Write(w.t.Context()).Exec(sql, args...).Error)
}

// text reads one value as text.
func (w *world) text(sql string, args ...any) string {
	w.t.Helper()
	var out string
	require.NoError(w.t, w.db.Read(w.t.Context()).Raw("SELECT CAST(("+sql+") AS text)", args...).Scan(&out).Error)
	return out
}

// seed is what a job is to be like.
type seed struct {
	state, queue, worker, reason, fingerprint, title, status, code string
	made, runAfter                                                 time.Time
	discarded, cancelling, gone                                    bool
	lease                                                          time.Duration
	progress                                                       float64
	attempt                                                        int
}

// add inserts a job with its video and, unless it is queued, an attempt.
func (w *world) add(s seed) uuid.UUID {
	w.t.Helper()
	if s.made.IsZero() {
		s.made = time.Now()
	}
	if s.queue == "" {
		s.queue = testQueue
	}
	if s.runAfter.IsZero() {
		s.runAfter = time.Unix(0, 0)
	}
	if s.lease == 0 {
		s.lease = time.Minute
	}
	if s.attempt == 0 && s.state != "queued" {
		s.attempt = 1
	}
	status, code := "processing", any(nil)
	switch s.state {
	case "queued":
		status = "uploaded"
	case "dead", "cancelled":
		status, code = "failed", "TIMEOUT"
	case "done":
		status = "processed"
	}
	id, video := made(s.made), uuid.New()
	random := uuid.New()
	copy(id[8:], random[8:])
	if s.title == "" {
		s.title = "Tiro libre"
	}
	if !s.gone {
		var key, poster, at any
		if status == "processed" {
			key, poster, at = video.String()+".mp4", video.String()+".jpg", database.At(s.made)
		}
		w.exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at, failure_code,
				processed_key, thumbnail_key, processed_at, original_ms)
			VALUES (?, ?, ?, ?, 'cali', ?, ?, 1, 'x', ?, ?, ?, ?, ?, 30000)`, video, w.user, s.title, status, textkey.Fold(s.title+" Ana Gil"),
			"uploads/"+video.String()+".mp4", database.At(s.made), code, key, poster, at)
	}
	var lease, finished, discarded, started any
	if s.state == "running" {
		lease = database.At(time.Now().Add(s.lease))
	}
	if s.state == "done" || s.state == "dead" || s.state == "cancelled" {
		finished = database.At(s.made.Add(time.Second))
	}
	if s.discarded {
		discarded = finished
	}
	if s.state != "queued" {
		started = database.At(s.made)
	}
	progressed := started
	if s.state == "running" {
		progressed = database.At(time.Now())
	}
	w.exec(`INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, lease_until, run_after, stage, progress, worker, cancel_requested,
			reason, fingerprint, created_at, started_at, finished_at, discarded_at, progressed_at)
		VALUES (?, ?, ?, ?, ?, 3, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, video, s.queue, s.state, s.attempt, s.attempt, lease,
		database.At(s.runAfter), s.progress, s.worker, s.cancelling, s.reason, s.fingerprint, database.At(s.made), started, finished, discarded, progressed)
	if s.attempt > 0 {
		outcome := map[string]string{"running": "running", "done": "done", "cancelled": "cancelled"}[s.state]
		if outcome == "" {
			outcome = "failed"
		}
		w.exec(`INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, finished_at, outcome, reason, stderr_tail)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, s.attempt, s.attempt, s.worker, started, finished, outcome, s.reason, "frame=1\n<b>moov atom not found</b>\n")
	}
	return id
}

// as is a context of an action by one of people.
func (w *world) as(name string) context.Context {
	return access.With(w.t.Context(), access.Principal{Name: name, Role: people[name], Via: access.ViaBearer, Address: "192.0.2.1"})
}

// get asks for a page as one of people, or as nobody.
func (w *world) get(name, path string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.send(name, http.MethodGet, path, "", header...)
}

// post sends a form.
func (w *world) post(name, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.send(name, http.MethodPost, path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

func (w *world) send(name, method, path, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://127.0.0.1:5555"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Accept", "text/html")
	if name != "" {
		r.Header.Set("Authorization", "Bearer "+madeTokens()[name][0])
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.e.ServeHTTP(rec, r)
	return rec
}

// look makes a snapshot now.
func (w *world) look() *Snapshot {
	w.t.Helper()
	w.m.collector.look(w.t.Context())
	return w.m.collector.snapshot()
}

// query compiles a search.
func (w *world) query(format string, args ...any) filter {
	w.t.Helper()
	f, err := w.m.compile(fmt.Sprintf(format, args...))
	require.NoError(w.t, err, format)
	return f
}
