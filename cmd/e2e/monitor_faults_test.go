//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/taskbus"
)

// besieged is a dashboard whose connections lead through proxies; the rest of
// the fleet has its own.
type besieged struct {
	*dashboard
	db, bus *link
	video   string // that is published
}

func newBesieged(t *testing.T) *besieged {
	t.Helper()
	pg := dbtest.StartDurable(t)
	s := &besieged{dashboard: newUnwatched(t, pg.Create("anb"))}
	through := func(address string, l *link) string {
		u, err := url.Parse(address)
		require.NoError(t, err)
		u.Host = l.Listen
		return u.String()
	}
	s.db, s.bus = newLink(t, pg.Addr()), newLink(t, s.redis.Addr())
	s.dashboard.watch("DATABASE_URL="+through(s.url, s.db), "REDIS_URL="+through(s.redis.URL(), s.bus))
	return s
}

// soon is how long a page may take while something is away, on a busy machine.
const soon = 4 * time.Second

// F49 and the dashboard's part of F25, of the list of faults.
func TestMonitor_F49(t *testing.T) {
	t.Parallel()
	s := newBesieged(t)
	work := s.worker()
	s.video = s.api.upload("Lo último que se supo", clipOf(t, 1))
	s.becomes(s.video, "done")
	b := s.chromium(t).tab().signIn(admin, "/queues")
	b.until(`document.querySelector("[data-queue=video_queue]")`)
	v := s.visitor().signIn(admin)
	for _, step := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"Redis cut off", func(t *testing.T) { s.away(t, b, v, "no_broker", s.bus.cut, s.bus.mend) }},
		{"Redis frozen", func(t *testing.T) { s.away(t, b, v, "no_broker", s.bus.freeze, s.bus.thaw) }},
		{"PostgreSQL cut off", func(t *testing.T) { s.away(t, b, v, "no_database", s.db.cut, s.db.mend) }},
		{"PostgreSQL frozen", func(t *testing.T) { s.away(t, b, v, "no_database", s.db.freeze, s.db.thaw) }},
		{"F25: messages that are none", func(t *testing.T) { s.poison(t, b) }},
		{"nobody is let in without a name", s.unknown},
		{"a hundred thousand jobs and words without end", func(t *testing.T) { s.many(t, b) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			s.during(t, b)
			v.t = t
			step.do(t)
		})
	}
	work.signal(sigterm)
	require.Zero(t, work.wait(time.Minute))
}

// away breaks something and requires that the dashboard says so, shows what it
// last knew, lets people stay signed in, and mends itself.
func (s *besieged) away(t *testing.T, b *tab, v *visitor, problem string, breaks, mends func()) {
	b.visit(http.StatusOK, "/queues")
	js[bool](b, mark)
	b.until(`document.querySelector("#live").dataset.state === "live" && !document.querySelector(".problem")`)
	breaks()
	broken := true
	t.Cleanup(func() {
		if broken {
			mends()
		}
	})
	banner := `document.querySelector('.problem[data-kind="` + problem + `"]')`
	at := time.Now()
	b.within(20*time.Second, banner, "the open page says so")
	t.Logf("the open page said so after %s", time.Since(at).Round(10*time.Millisecond))
	database := problem == "no_database"
	if database {
		b.until(`document.querySelector("#live").dataset.state === "lost"`)
	}
	slowest := time.Duration(0)
	for path, known := range map[string]string{
		"/": `data-kind="` + problem, "/queues": `data-queue="video_queue"`, "/workers": "data-worker", "/dead": "Ninguna tarea muerta",
		"/jobs": "Lo último que se supo", "/audit": "Auditoría", "/jobs/" + s.job(s.video).ID: "Lo último que se supo",
	} {
		began := time.Now()
		status, at, body := v.get(path)
		took := time.Since(began)
		slowest = max(slowest, took)
		require.Less(t, took, soon, path)
		require.Equal(t, path, at, "still signed in")
		require.Contains(t, body, `data-kind="`+problem, path)
		if status == http.StatusServiceUnavailable && database && known != `data-queue="video_queue"` {
			require.Contains(t, body, "no está disponible", path)
			continue
		}
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, known, path)
	}
	t.Logf("the slowest page took %s", slowest.Round(10*time.Millisecond))
	mends()
	broken = false
	at = time.Now()
	b.within(30*time.Second, `!`+banner+` && document.querySelector("#live").dataset.state === "live"`, "it mends itself")
	t.Logf("the open page was well again %s after the repair", time.Since(at).Round(10*time.Millisecond))
	b.unreloaded()
	b.forgive("net::ERR_")
	status, _, _ := v.get("/jobs")
	require.Equal(t, http.StatusOK, status)
}

func (s *besieged) poison(t *testing.T, b *tab) {
	redis, err := taskbus.OpenRedis(t.Context(), s.redis.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, redis.Close()) }()
	bad := []string{`{bad`, `{"UUID":"1","Name":"unknown","Args":[]}`, `{"UUID":"2","Name":"process","Args":[{"Type":"int64","Value":7}]}`, strings.Repeat("x", 5<<20), `null`, ``}
	b.visit(http.StatusOK, "/queues")
	js[bool](b, mark)
	clip := clipOf(t, 1)
	ids := []string{s.api.upload("Antes", clip)}
	for _, m := range bad {
		require.NoError(t, redis.RPush(t.Context(), "video_queue", m).Err())
	}
	ids = append(ids, s.api.upload("Después", clip))
	for _, id := range ids {
		s.api.processed(id, patience)
	}
	b.within(20*time.Second, `document.querySelector("[data-queue=video_queue]").innerText.includes("ilegibles 6")`, "they are counted")
	b.unreloaded()
}

func (s *besieged) unknown(t *testing.T) {
	v := s.visitor()
	for _, path := range []string{"/", "/jobs", "/queues", "/workers", "/dead", "/audit", "/bulk?action=retry&q=x", "/sessions", "/jobs.csv"} {
		status, at, _ := v.get(path)
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, "/login", at, path)
	}
	for path, method := range map[string]string{"/metrics": "GET", "/events?topics=strip": "GET", "/complete?q=s": "GET", "/jobs": "GET", "/bulk": "POST", "/queues/video_queue/pause": "POST"} {
		req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, path)
		require.NotEmpty(t, res.Header.Get("WWW-Authenticate"), path)
	}
}

// fill makes a hundred thousand jobs, each a second older than the one before,
// of which two thousand are dead of two causes.
const fill = `INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, run_after, worker, reason, fingerprint, created_at, started_at, finished_at)
	SELECT CAST(lpad(to_hex(CAST(floor(extract(epoch FROM at) * 1000) AS bigint)), 12, '0') || '7000' || '8' || substr(md5(i::text), 1, 15) AS uuid), gen_random_uuid(),
		'video_queue', CASE WHEN i % 50 = 0 THEN 'dead' ELSE 'done' END, 1, 3, 1, at, 'host-1-' || i % 100, CASE WHEN i % 50 = 0 THEN 'encoder_failed' ELSE '' END,
		CASE WHEN i % 50 = 0 THEN 'encoder_failed exit ' || i % 100 || ': ' || repeat('W', 150) ELSE '' END, at, at, at + interval '3 seconds'
	FROM (SELECT i, now() - i * interval '1 second' - interval '1 hour' AS at FROM generate_series(1, 100000) i) x`

func (s *besieged) many(t *testing.T, b *tab) {
	s.exec(fill)
	s.exec("ANALYZE")
	s.exec("UPDATE videos SET title = repeat('W', 20000)")
	s.exec(`UPDATE job_attempts SET outcome = 'failed', error = repeat('E', 100000), stderr_tail = repeat(repeat('L', 2000) || E'\n', 30)`)
	b.visit(http.StatusOK, "/jobs")
	require.Equal(t, 50, js[int](b, `document.querySelectorAll("tr[data-row]").length`))
	require.Contains(t, js[string](b, `document.querySelector(".rail").innerText`), "10\u00a0000+", "counts end somewhere")
	pages := map[string]bool{}
	for range 3 {
		pages[js[string](b, `[...document.querySelectorAll("tr[data-row]")].map(r => r.id).join()`)] = true
		next := js[string](b, `document.querySelector("a[rel=next]").getAttribute("href")`)
		began := time.Now()
		b.visit(http.StatusOK, next)
		require.Less(t, time.Since(began), soon)
	}
	require.Len(t, pages, 3, "other jobs on each page")
	first := js[string](b, `document.querySelector("tr[data-row]").id`)
	b.click("a[rel=next]")
	b.until(`document.querySelector("tr[data-row]")?.id !== "` + first + `" && document.querySelector("a[rel=prev]")`)
	b.click("a[rel=prev]")
	b.until(`document.querySelector("tr[data-row]")?.id === "` + first + `"`)
	b.visit(http.StatusOK, "/dead")
	b.until(`document.querySelectorAll("[data-group]").length === 2`)
	var flaws []string
	for _, path := range []string{"/", "/jobs", "/jobs?q=state:dead", "/dead", "/jobs/" + s.job(s.video).ID} {
		b.visit(http.StatusOK, path)
		flaws = append(flaws, b.flaws(path)...)
	}
	require.Empty(t, strings.Join(flaws, "\n"))
}
