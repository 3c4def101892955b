package monitor

import (
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// fill inserts n jobs, one in fifty of them dead and a hundred that wait, of a
// thousand players, made one a second up to now. The latest 100,000 have videos.
func fill(w *world, n int) {
	w.t.Helper()
	sql := fillPostgres
	if w.db.Dialect() == database.SQLite {
		sql = fillSQLite
	} else {
		restore := withoutIndexes(w)
		defer restore()
	}
	for statement := range strings.SplitSeq(sql, ";\n") {
		if statement = strings.TrimSpace(strings.ReplaceAll(statement, "{n}", strconv.Itoa(n))); statement != "" {
			pool, err := w.db.SQL()
			require.NoError(w.t, err)
			_, err = pool.ExecContext(w.t.Context(), statement)
			require.NoError(w.t, err, statement)
		}
	}
}

// withoutIndexes drops what makes inserting a million rows slow, until restore
// is called.
func withoutIndexes(w *world) (restore func()) {
	w.t.Helper()
	var made []struct{ Name, SQL string }
	require.NoError(w.t, w.db.Read(w.t.Context()).Raw(`SELECT indexname AS name, indexdef AS sql FROM pg_indexes
		WHERE schemaname = 'public' AND tablename IN ('jobs', 'job_attempts', 'videos') AND indexdef NOT LIKE 'CREATE UNIQUE%'`).Scan(&made).Error)
	require.NotEmpty(w.t, made)
	for _, x := range made {
		w.exec("DROP INDEX " + x.Name)
	}
	return func() {
		for _, x := range made {
			w.exec(x.SQL)
		}
		w.exec("VACUUM ANALYZE")
	}
}

// An id is a UUIDv7 of the second in which its job was made.
const fillPostgres = `
INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
	SELECT gen_random_uuid(), 'p' || i || '@example.com', 'p' || i || '@example.com', 'x', 'P', 'Q' || i, 'Cali', 'cali', 'Colombia', now(), now() FROM generate_series(1, 1000) i;
CREATE TEMP TABLE made AS SELECT i, gen_random_uuid() AS video, clock_timestamp() - ({n} - i) * interval '1 second' AS at FROM generate_series(1, {n}) i;
CREATE TEMP TABLE owners AS SELECT id, row_number() OVER () AS r FROM users LIMIT 1000;
INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at, failure_code, processed_key, thumbnail_key, processed_at, original_ms)
	SELECT m.video, o.id, 'Video ' || m.i, CASE WHEN m.i % 50 = 0 THEN 'failed' WHEN m.i % 50 = 1 AND m.i > {n} - 5000 THEN 'uploaded' ELSE 'processed' END, 'cali', 'video ' || m.i, 'k' || m.i, 1, 'x', m.at,
		CASE WHEN m.i % 50 = 0 THEN 'TIMEOUT' END, CASE WHEN m.i % 50 = 0 OR m.i % 50 = 1 AND m.i > {n} - 5000 THEN NULL ELSE 'p' || m.i END,
		CASE WHEN m.i % 50 = 0 OR m.i % 50 = 1 AND m.i > {n} - 5000 THEN NULL ELSE 't' || m.i END, CASE WHEN m.i % 50 = 0 OR m.i % 50 = 1 AND m.i > {n} - 5000 THEN NULL ELSE m.at END, 30000
	FROM made m JOIN owners o ON o.r = 1 + m.i % 1000 WHERE m.i > {n} - 100000;
INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, run_after, worker, reason, fingerprint, created_at, started_at, finished_at)
	SELECT CAST(lpad(to_hex(CAST(floor(extract(epoch FROM at) * 1000) AS bigint)), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15) AS uuid), video,
		CASE WHEN i % 1000 = 0 THEN 'rare' ELSE 'video_queue' END, CASE WHEN i % 50 = 0 THEN 'dead' WHEN i % 50 = 1 AND i > {n} - 5000 THEN 'queued' ELSE 'done' END,
		CASE WHEN i % 50 = 1 AND i > {n} - 5000 THEN 0 ELSE 1 END, 3, 1, CASE WHEN i % 50 = 1 AND i > {n} - 5000 THEN to_timestamp(0) ELSE at END,
		CASE WHEN i % 50 = 1 AND i > {n} - 5000 THEN '' ELSE 'host-1-' || i % 100 END, CASE WHEN i % 50 = 0 THEN CASE WHEN i % 100 = 0 THEN 'timeout' ELSE 'truncated' END ELSE '' END,
		CASE WHEN i % 50 = 0 THEN CASE WHEN i % 100 = 0 THEN 'timeout' ELSE 'truncated: moov' END ELSE '' END, at,
		CASE WHEN i % 50 = 1 AND i > {n} - 5000 THEN NULL ELSE at END, CASE WHEN i % 50 = 1 AND i > {n} - 5000 THEN NULL ELSE at + interval '3 seconds' END FROM made;
INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, finished_at, outcome, reason)
	SELECT id, 1, 1, worker, started_at, finished_at, CASE WHEN state = 'dead' THEN 'failed' ELSE 'done' END, reason FROM jobs WHERE attempt = 1 AND started_at IS NOT NULL;
DROP TABLE made;
DROP TABLE owners`

const fillSQLite = `
INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
	WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1000)
	SELECT printf('00000000-0000-4000-8000-%012x', i), 'p' || i || '@example.com', 'p' || i || '@example.com', 'x', 'P', 'Q' || i, 'Cali', 'cali', 'Colombia', 0, 0 FROM s;
INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256, uploaded_at, failure_code, original_ms)
	WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {n})
	SELECT printf('00000000-0000-4000-9000-%012x', i), printf('00000000-0000-4000-8000-%012x', 1 + i % 1000), 'Video ' || i, 'failed', 'cali', 'video ' || i, 'k' || i, 1, 'x',
		(unixepoch() - {n} + i) * 1000000, 'TIMEOUT', 30000 FROM s;
INSERT INTO jobs (id, video_id, queue, state, attempt, max_attempts, fence, run_after, worker, reason, fingerprint, created_at, started_at, finished_at)
	WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {n})
	SELECT substr(printf('%012x', (unixepoch() - {n} + i) * 1000), 1, 8) || '-' || substr(printf('%012x', (unixepoch() - {n} + i) * 1000), 9, 4) || printf('-7000-8000-%012x', i),
		printf('00000000-0000-4000-9000-%012x', i), CASE WHEN i % 1000 = 0 THEN 'rare' ELSE 'video_queue' END,
		CASE WHEN i % 50 = 0 THEN 'dead' WHEN i % 50 = 1 THEN 'queued' ELSE 'done' END, CASE WHEN i % 50 = 1 THEN 0 ELSE 1 END, 3, 1, 0,
		CASE WHEN i % 50 = 1 THEN '' ELSE 'host-1-' || (i % 100) END, CASE WHEN i % 50 = 0 THEN 'timeout' ELSE '' END, CASE WHEN i % 50 = 0 THEN 'timeout' ELSE '' END,
		(unixepoch() - {n} + i) * 1000000, CASE WHEN i % 50 = 1 THEN NULL ELSE (unixepoch() - {n} + i) * 1000000 END, CASE WHEN i % 50 = 1 THEN NULL ELSE (unixepoch() - {n} + i + 3) * 1000000 END FROM s;
INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, finished_at, outcome, reason)
	SELECT id, 1, 1, worker, started_at, finished_at, CASE WHEN state = 'dead' THEN 'failed' ELSE 'done' END, reason FROM jobs WHERE attempt = 1;
ANALYZE`
