package processing

import (
	"context"
	"time"

	"anb/platform/database"
)

// sample is how a queue fared in an interval. Percentiles are by the nearest
// rank, nil when there was nothing to measure.
type sample struct {
	Arrived int64 // jobs that were made
	Started int64 // jobs that were claimed for the first time
	Done    int64 // attempts that ended well
	Failed  int64 // attempts that ended badly, or whose worker fell silent
	Waiting int64 // jobs at its end, those that rest before another attempt too
	Running int64 // attempts at its end
	Oldest  int64 // ms that the first of the waiting ones had waited, since its last attempt

	WaitP50, WaitP95 *int64 // ms of the started ones since they were made
	RunP50, RunP95   *int64 // ms of the done ones
}

// moment runs a query for one time, at; it is zero when that is NULL.
func (s store) moment(ctx context.Context, query string, args ...any) (time.Time, error) {
	var out struct{ At *database.Time }
	err := s.db.Read(ctx).Raw(query, args...).Scan(&out).Error
	if err != nil || out.At == nil {
		return time.Time{}, err
	}
	return out.At.Time, nil
}

// now is the database's clock.
func (s store) now(ctx context.Context) (time.Time, error) {
	return s.moment(ctx, "SELECT "+s.db.Now()+" AS at")
}

// crowded lists the queues in which jobs wait.
func (s store) crowded(ctx context.Context) (queues []string, err error) {
	err = s.db.Read(ctx).Raw("SELECT DISTINCT queue FROM jobs WHERE state IN ('queued', 'retrying')").Scan(&queues).Error
	return queues, err
}

// firstArrival is when the first job of a queue was made, zero without one.
func (s store) firstArrival(ctx context.Context, queue string) (time.Time, error) {
	return s.moment(ctx, "SELECT min(created_at) AS at FROM jobs WHERE queue = ?", queue)
}

// lastSample is where the newest sample of a queue begins, zero without one.
func (s store) lastSample(ctx context.Context, queue, width string) (time.Time, error) {
	return s.moment(ctx, "SELECT max(at) AS at FROM queue_samples WHERE queue = ? AND width = ?", queue, width)
}

// A job's first claim has the fence 1.
const (
	ofQueue     = " FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.queue = @queue"
	startedThen = " AND a.fence = 1 AND a.started_at >= @from AND a.started_at < @to "
	endedThen   = " AND a.finished_at >= @from AND a.finished_at < @to "
	runningThen = " a.started_at < @to AND (a.finished_at IS NULL OR a.finished_at >= @to) "
)

// sample computes that of the time from from on and before to. It is the same
// whenever it is computed, once the last transaction of that time is over.
func (s store) sample(ctx context.Context, queue string, from, to time.Time) (sample, error) {
	args := map[string]any{"queue": queue, "from": database.At(from), "to": database.At(to)}
	var out sample
	err := s.db.Read(ctx).Raw(`SELECT
		(SELECT count(*) FROM jobs j WHERE j.queue = @queue AND j.created_at >= @from AND j.created_at < @to ) AS arrived,
		(SELECT count(*)`+ofQueue+endedThen+`AND a.outcome IN ('failed', 'lost')) AS failed,
		(SELECT count(*)`+ofQueue+" AND"+runningThen+`) AS running`, args).Scan(&out).Error
	if err != nil {
		return sample{}, err
	}
	var waiting struct {
		N     int64
		Since *database.Time
	}
	err = s.db.Read(ctx).Raw(`SELECT count(*) AS n, min(w.since) AS since FROM (
		SELECT coalesce((SELECT max(a.finished_at) FROM job_attempts a WHERE a.job_id = j.id AND a.finished_at < @to ), j.created_at) AS since
		FROM jobs j WHERE j.queue = @queue AND j.created_at < @to AND (j.finished_at IS NULL OR j.finished_at >= @to )
			AND NOT EXISTS (SELECT 1 FROM job_attempts a WHERE a.job_id = j.id AND`+runningThen+`)) w`, args).Scan(&waiting).Error
	if err != nil {
		return sample{}, err
	}
	if out.Waiting = waiting.N; waiting.Since != nil {
		out.Oldest = max(0, to.Sub(waiting.Since.Time).Milliseconds())
	}
	waits, err := s.distribution(ctx, "SELECT "+s.millis("j.created_at", "a.started_at")+" AS ms"+ofQueue+startedThen, args)
	if err != nil {
		return sample{}, err
	}
	runs, err := s.distribution(ctx, "SELECT "+s.millis("a.started_at", "a.finished_at")+" AS ms"+ofQueue+endedThen+"AND a.outcome = 'done'", args)
	out.Started, out.WaitP50, out.WaitP95 = waits.N, waits.P50, waits.P95
	out.Done, out.RunP50, out.RunP95 = runs.N, runs.P50, runs.P95
	return out, err
}

// distribution is how many durations there are, and two of their percentiles.
type distribution struct {
	N        int64
	P50, P95 *int64 // ms
}

// distribution looks at the column ms of a query. The percentiles are those of
// PostgreSQL's percentile_disc, which SQLite has not got.
func (s store) distribution(ctx context.Context, durations string, args map[string]any) (out distribution, err error) {
	err = s.db.Read(ctx).Raw(`SELECT count(*) AS n, min(ms) FILTER (WHERE 2 * r >= total) AS p50, min(ms) FILTER (WHERE 20 * r >= 19 * total) AS p95
		FROM (SELECT ms, row_number() OVER (ORDER BY ms) AS r, count(*) OVER () AS total FROM (`+durations+` ) d) ranked`, args).Scan(&out).Error
	return out, err
}

// millis is an SQL expression for the whole milliseconds between two columns,
// 0 at least: the first may be by another computer's clock.
func (s store) millis(from, to string) string {
	if s.db.Dialect() == database.SQLite {
		return "max(0, (" + to + " - " + from + ") / 1000)"
	}
	return "greatest(0, CAST(floor(extract(epoch FROM " + to + " - " + from + ") * 1000) AS bigint))"
}

// saveSample writes a sample over an earlier one of the same interval.
func (s store) saveSample(ctx context.Context, queue, width string, at time.Time, x sample) error {
	return s.db.Write(ctx).Exec(`INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms,
			wait_p50_ms, wait_p95_ms, run_p50_ms, run_p95_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (queue, width, at) DO UPDATE SET arrived = excluded.arrived, started = excluded.started, done = excluded.done,
			failed = excluded.failed, waiting = excluded.waiting, running = excluded.running, oldest_ms = excluded.oldest_ms,
			wait_p50_ms = excluded.wait_p50_ms, wait_p95_ms = excluded.wait_p95_ms,
			run_p50_ms = excluded.run_p50_ms, run_p95_ms = excluded.run_p95_ms`,
		queue, width, database.At(at), x.Arrived, x.Started, x.Done, x.Failed, x.Waiting, x.Running, x.Oldest,
		x.WaitP50, x.WaitP95, x.RunP50, x.RunP95).Error
}

// forgetSamples removes those of a width that begin before at.
func (s store) forgetSamples(ctx context.Context, width string, at time.Time) error {
	return s.db.Write(ctx).Exec("DELETE FROM queue_samples WHERE width = ? AND at < ?", width, database.At(at)).Error
}
