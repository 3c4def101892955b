package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db"
	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/storage"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// site is a platform of a test.
type site struct {
	Platform
	t      *testing.T
	pool   *sql.DB
	url    string // of the database
	places []storage.Config
}

// newSite opens a platform on the database at url, with folders of its own.
func newSite(t *testing.T, url string) *site {
	t.Helper()
	dir := t.TempDir()
	return newSiteOn(t, url, storage.Config{URL: filepath.Join(dir, originals)}, storage.Config{URL: filepath.Join(dir, processed)})
}

func newSiteOn(t *testing.T, url string, places ...storage.Config) *site {
	t.Helper()
	s := &site{t: t, url: url, places: places, Platform: Platform{
		DB: dbtest.Open(t, url, false), Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Pause: time.Millisecond,
	}}
	for i, to := range []*storage.Store{&s.Originals, &s.Processed} {
		store, err := storage.Open(t.Context(), places[i])
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		*to = store
	}
	var err error
	s.pool, err = s.DB.SQL()
	require.NoError(t, err)
	return s
}

// lived is a platform with some life in it.
func lived(t *testing.T) *site {
	t.Helper()
	s := newSite(t, dbtest.PostgresURL(t, true))
	s.live()
	return s
}

// empty is a platform with a schema and nothing else.
func empty(t *testing.T) *site {
	t.Helper()
	return newSite(t, dbtest.PostgresURL(t, true))
}

func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.pool.ExecContext(s.t.Context(), query, args...)
	require.NoError(s.t, err, query)
}

func (s *site) ask(query string, args ...any) (answer string) {
	s.t.Helper()
	require.NoError(s.t, s.pool.QueryRowContext(s.t.Context(), query, args...).Scan(&answer), query)
	return answer
}

// The people and videos of live, by what is special about them.
var (
	ana, luis                                    = id(1), id(2)
	shown, failed, waiting, running, last, ended = id(11), id(12), id(13), id(14), id(15), id(16)
)

func id(n byte) uuid.UUID {
	return uuid.UUID{0: 1, 6: 0x70, 8: 0x80, 15: n}
}

// live fills a platform: published, failed, waiting and running videos, votes,
// and a row in each other table.
func (s *site) live() {
	for _, u := range []uuid.UUID{ana, luis} {
		s.exec(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
			VALUES ($1, $2, $2, 'argon2', E'Ñandú\t\\N', E'línea\nline', 'Cali', 'cali', 'Colombia', now(), now())`, u.String(), u.String()+"@example.org")
		s.exec("INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1, $1, now(), now() + interval '1 hour')", u.String())
	}
	s.video(shown, "processed", "done")
	s.video(failed, "failed", "dead")
	s.video(waiting, "uploaded", "queued")
	s.video(running, "processing", "running")
	s.video(last, "processing", "running")
	s.video(ended, "processing", "running")
	s.exec("UPDATE jobs SET attempt = max_attempts WHERE video_id = $1", last.String())
	s.exec("UPDATE jobs SET cancel_requested = true WHERE video_id = $1", ended.String())
	s.exec("INSERT INTO votes (user_id, video_id, created_at) VALUES ($1, $3, now()), ($2, $3, now())", ana.String(), luis.String(), shown.String())
	s.exec("UPDATE videos SET vote_count = 2 WHERE id = $1", shown.String())
	s.exec("INSERT INTO player_totals (user_id, city_key, votes, reached_at) VALUES ($1, 'cali', 2, now())", ana.String())
	s.exec("INSERT INTO queue_pauses (queue, reason, who, since) VALUES ('other', '', 'root', now())")
	s.exec("INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms) VALUES ('video_queue', 'day', now(), 1, 1, 1, 1, 1, 1, 1)")
	s.exec("INSERT INTO monitor_sessions (id, name, credential, created_at, expires_at) VALUES ('x', 'root', 'x', now(), now())")
	s.exec("INSERT INTO audit_events (id, at, who, role, address, action, target, reason, result, detail, request_id) VALUES ($1, now(), 'root', 'admin', '', 'x', '', '', 'done', '', '')", id(90).String())
	s.exec("INSERT INTO operations (id, action, filter, ids, reason, who, per_minute, state, total, lease_until, created_at) VALUES ($1, 'retry', '', '', '', 'root', 0, 'running', 1, now(), now())", id(91).String())
	s.exec("INSERT INTO workers (id, host, pid, version, queues, slots, state, started_at, beat_at) VALUES ('w', 'h', 1, '1', 'q', 1, 'online', now(), now())")
	s.exec("INSERT INTO worker_samples (worker, at, cpu, rss) VALUES ('w', now(), 1, 1)")
}

// video makes a video of Ana with its files and its job.
func (s *site) video(id uuid.UUID, status, job string) {
	s.t.Helper()
	sha := s.put(s.Originals, id.String()+".mp4", 70_000)
	s.exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at, failure_code)
		VALUES ($1, $2, 'Triple', 'uploaded', 'cali', 'triple', $3, 70000, $4, now(), NULL)`, id.String(), ana.String(), id.String()+".mp4", sha)
	switch status {
	case "processed":
		video, poster := s.put(s.Processed, id.String()+"-1-ff.mp4", 50_000), s.put(s.Processed, id.String()+"-1-ff.jpg", 900)
		s.exec(`UPDATE videos SET status = 'processed', processed_at = now(), processed_key = $2, processed_bytes = 50000, processed_sha256 = $3,
			thumbnail_key = $4, thumbnail_bytes = 900, thumbnail_sha256 = $5 WHERE id = $1`, id.String(), id.String()+"-1-ff.mp4", video, id.String()+"-1-ff.jpg", poster)
	case "failed":
		s.exec("UPDATE videos SET status = 'failed', failure_code = 'NO_VIDEO' WHERE id = $1", id.String())
	default:
		s.exec("UPDATE videos SET status = $2 WHERE id = $1", id.String(), status)
	}
	s.exec(`INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, lease_until, run_after, speed, worker, created_at)
		VALUES ($1, $1, 'video_queue', $2, 1, 3, 1, CASE WHEN $2 = 'running' THEN now() + interval '30 s' END, now(), 2, 'w', now())`, id.String(), job)
	s.exec("INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, outcome) VALUES ($1, 1, 1, 'w', now(), $2)", id.String(), job)
}

// put stores random bytes and returns their SHA-256.
func (s *site) put(store storage.Store, key string, size int) string {
	s.t.Helper()
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return s.store1(store, key, data)
}

func (s *site) store1(store storage.Store, key string, data []byte) string {
	s.t.Helper()
	staged, err := store.Stage(s.t.Context())
	require.NoError(s.t, err)
	_, err = staged.Write(data)
	require.NoError(s.t, err)
	require.NoError(s.t, staged.Commit(s.t.Context(), key, ""))
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// archive backs the platform up, and requires that nothing was wrong.
func (s *site) archive() []byte {
	s.t.Helper()
	var b bytes.Buffer
	done, err := s.Save(s.t.Context(), &b)
	require.NoError(s.t, err)
	require.Empty(s.t, done.Flaws)
	return b.Bytes()
}

// load restores an archive.
func (s *site) load(archive []byte) (Summary, error) {
	return s.Load(s.t.Context(), bytes.NewReader(archive))
}

// stored are the files of the platform with their contents' sums.
func (s *site) stored() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for place, store := range map[string]storage.Store{originals: s.Originals, processed: s.Processed} {
		for info, err := range store.List(s.t.Context(), "") {
			require.NoError(s.t, err)
			o, err := store.Open(s.t.Context(), info.Key)
			require.NoError(s.t, err)
			h := sha256.New()
			_, err = io.Copy(h, o)
			require.NoError(s.t, err)
			require.NoError(s.t, o.Close())
			out[place+"/"+info.Key] = hexOf(h)
		}
	}
	return out
}

// rows are the rows of a table as text, sorted.
func (s *site) rows(table string) (out []string) {
	s.t.Helper()
	rows, err := s.pool.QueryContext(s.t.Context(), "SELECT t::text FROM "+table+" t ORDER BY 1")
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var line string
		require.NoError(s.t, rows.Scan(&line))
		out = append(out, line)
	}
	require.NoError(s.t, rows.Err())
	return out
}

// requireUntouched requires that a failed restore left neither rows nor files,
// and the schema as it was.
func (s *site) requireUntouched() {
	s.t.Helper()
	for _, table := range slices.Concat(tables, fleeting) {
		require.Empty(s.t, s.rows(table), table)
	}
	require.Empty(s.t, s.stored())
	require.NoError(s.t, db.Check(s.t.Context(), s.pool, string(database.Postgres)))
	for _, store := range []storage.Store{s.Originals, s.Processed} {
		n, err := store.Sweep(context.WithoutCancel(s.t.Context()), 0)
		require.NoError(s.t, err)
		require.Zero(s.t, n, "staged files")
	}
}
