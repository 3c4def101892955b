package monitor

import (
	"context"
	"strings"
	"time"

	"anb/modules/monitor/drain"
	"anb/platform/database"
)

// now is the database's clock.
func (s store) now(ctx context.Context) (time.Time, error) {
	var out struct{ At database.Time }
	err := s.db.Read(ctx).Raw("SELECT " + s.db.Now() + " AS at").Scan(&out).Error
	return out.At.Time, err
}

// ago is a parameter. A condition with the database's clock in it would not be
// served by an index: that function is volatile.
func ago(now time.Time, d time.Duration) database.Time { return database.At(now.Add(-d)) }

// backlog is what waits in a queue.
type backlog struct {
	Queue     string
	Waiting   int64
	Scheduled int64
	Since     *database.Time // the first of the due ones
	Known     int64          // of all, those whose length is known
	LengthMS  int64          `gorm:"column:length_ms"` // of the known ones
}

// singles is how many waiting jobs an estimate plays one by one.
const singles = 64

// lengths are those of the last waiting jobs, and the sum of those before. Each
// counts with what is known on average: clips hardly differ.
func (b backlog) lengths() (last []time.Duration, before drain.Bulk) {
	mean := time.Duration(0) // not known
	if b.Known > 0 {
		mean = min(clipLength, time.Duration(b.LengthMS/b.Known)*time.Millisecond)
	}
	total := int(b.Waiting + b.Scheduled)
	for range min(singles, total) {
		last = append(last, mean)
	}
	switch rest := total - len(last); {
	case mean > 0:
		before = drain.Bulk{Count: rest, Length: time.Duration(rest) * mean}
	default:
		before = drain.Bulk{Unknown: rest}
	}
	return last, before
}

func (s store) backlogs(ctx context.Context) (out []backlog, err error) {
	due := "j.run_after <= " + s.db.Now()
	err = s.db.Read(ctx).Raw(`SELECT j.queue, count(*) FILTER (WHERE ` + due + `) AS waiting, count(*) FILTER (WHERE NOT ` + due + `) AS scheduled,
			min(CASE WHEN j.state = 'queued' THEN j.created_at ELSE j.run_after END) FILTER (WHERE ` + due + `) AS since,
			count(v.original_ms) AS known, CAST(coalesce(sum(v.original_ms - v.start_ms), 0) AS bigint) AS length_ms
		FROM jobs j LEFT JOIN videos v ON v.id = j.video_id WHERE j.state IN ('queued', 'retrying') GROUP BY j.queue`).Scan(&out).Error
	return out, err
}

// running lists the jobs that workers hold, longest first.
func (s store) running(ctx context.Context) (rows []jobRow, err error) {
	err = s.db.Read(ctx).Raw("SELECT "+jobColumns+" FROM jobs"+jobTables+"WHERE j.state = 'running' ORDER BY j.lease_until LIMIT ?", maxRunning).Scan(&rows).Error
	return rows, err
}

// byID reads some jobs; what is not there is left out.
func (s store) byID(ctx context.Context, ids []string) (rows []jobRow, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.db.Read(ctx).Raw("SELECT "+jobColumns+" FROM jobs"+jobTables+"WHERE j.id IN ?", ids).Scan(&rows).Error
	return rows, err
}

// recent is what happened to a queue lately.
type recent struct {
	Queue                   string
	Done15, Failed15, Done2 int64
	Died15                  int64          // jobs
	Started                 *database.Time // the latest of those attempts
	Arrived15, Arrived2     int64          `gorm:"-"`
}

// outcomes counts what ended in the last 15 minutes.
func (s store) outcomes(ctx context.Context, now time.Time) (out []recent, err error) {
	quarter, two := ago(now, 15*time.Minute), ago(now, 2*time.Minute)
	err = s.db.Read(ctx).Raw(`SELECT queue, count(*) FILTER (WHERE outcome = 'done') AS done15, count(*) FILTER (WHERE outcome IN ('failed', 'lost')) AS failed15,
			count(*) FILTER (WHERE outcome = 'done' AND finished_at > ?) AS done2, count(*) FILTER (WHERE died) AS died15, max(started_at) AS started
		FROM (SELECT (SELECT j.queue FROM jobs j WHERE j.id = a.job_id) AS queue, a.outcome, a.started_at, a.finished_at, a.outcome IN ('failed', 'lost')
				AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.job_id AND j.state = 'dead' AND j.fence = a.fence) AS died
			FROM job_attempts a WHERE a.finished_at > ?) x GROUP BY queue`, two, quarter).Scan(&out).Error
	return out, err
}

// arrivals counts the jobs that were made in the last 15 and 2 minutes.
func (s store) arrivals(ctx context.Context, queue string, now time.Time) (quarter, two int64, err error) {
	var out struct{ Quarter, Two int64 }
	err = s.db.Read(ctx).Raw(`SELECT count(*) AS quarter, count(*) FILTER (WHERE created_at > ?) AS two
		FROM jobs WHERE queue = ? AND created_at > ?`, ago(now, 2*time.Minute), queue, ago(now, 15*time.Minute)).Scan(&out).Error
	return out.Quarter, out.Two, err
}

// run is a done attempt.
type run struct {
	Queue      string
	Worker     string
	StartedAt  database.Time
	FinishedAt database.Time
	OriginalMS *int64 `gorm:"column:original_ms"`
	StartMS    *int64 `gorm:"column:start_ms"`
}

// recentRuns is how many done attempts an estimate looks at.
const recentRuns = 100

// runs lists the latest done attempts of the last day.
func (s store) runs(ctx context.Context, now time.Time) (out []run, err error) {
	err = s.db.Read(ctx).Raw(`SELECT j.queue, a.worker, a.started_at, a.finished_at, v.original_ms, v.start_ms
		FROM (SELECT job_id, worker, started_at, finished_at FROM job_attempts WHERE finished_at > ? AND outcome = 'done' ORDER BY finished_at DESC LIMIT ?) a
		JOIN jobs j ON j.id = a.job_id LEFT JOIN videos v ON v.id = j.video_id ORDER BY a.finished_at DESC`,
		ago(now, 24*time.Hour), recentRuns).Scan(&out).Error
	return out, err
}

// firstClaim is when a job waited for its first attempt.
type firstClaim struct {
	Queue     string
	CreatedAt database.Time
	StartedAt database.Time
}

// waits lists the latest first claims of the last 15 minutes: retries do not
// count.
func (s store) waits(ctx context.Context, now time.Time) (out []firstClaim, err error) {
	err = s.db.Read(ctx).Raw(`SELECT j.queue, j.created_at, a.started_at
		FROM (SELECT job_id, started_at FROM job_attempts WHERE started_at > ? AND fence = 1 ORDER BY started_at DESC LIMIT ?) a JOIN jobs j ON j.id = a.job_id`, ago(now, 15*time.Minute), recentRuns).Scan(&out).Error
	return out, err
}

type workerRow struct {
	ID           string
	Host         string
	PID          int64
	Version      string
	Queues       string
	Slots        int
	State        string
	StartedAt    database.Time
	BeatAt       database.Time
	EndedAt      *database.Time
	CPU          float64
	RSS          int64
	ScratchFree  *int64
	Done         int64
	Failed       int64
	OrderedDrain bool
	OrderedSlots *int
	OrderedIdle  string
}

// workers lists the living ones and those that ended or fell silent within a
// day, the youngest first.
func (s store) workers(ctx context.Context, now time.Time) (out []workerRow, err error) {
	err = s.db.Read(ctx).Raw(`SELECT * FROM workers WHERE beat_at > ? ORDER BY started_at DESC LIMIT ?`, ago(now, 24*time.Hour), maxWorkers).Scan(&out).Error
	return out, err
}

func (r workerRow) worker(now time.Time, heartbeat time.Duration) Worker {
	w := Worker{
		ID: r.ID, Host: r.Host, PID: r.PID, Version: r.Version, Queues: split(r.Queues), Idle: split(r.OrderedIdle), Slots: r.Slots,
		State: WorkerState(r.State), OrderedDrain: r.OrderedDrain, StartedAt: r.StartedAt.Time, BeatAt: r.BeatAt.Time, EndedAt: moment(r.EndedAt),
		CPU: r.CPU, RSS: r.RSS, ScratchFree: -1, Done: r.Done, Failed: r.Failed,
	}
	if r.OrderedSlots != nil {
		w.OrderedSlots = *r.OrderedSlots
	}
	if r.ScratchFree != nil {
		w.ScratchFree = *r.ScratchFree
	}
	// A report takes a moment to arrive; two that are missing are no accident.
	switch silent := now.Sub(w.BeatAt); {
	case w.State == Exited:
	case silent > 10*heartbeat:
		w.State = Crashed
	case silent > heartbeat*3/2:
		w.State = Late
	}
	return w
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

type pauseRow struct {
	Queue  string
	Reason string
	Who    string
	Since  database.Time
}

func (s store) pauses(ctx context.Context) (out []pauseRow, err error) {
	err = s.db.Read(ctx).Raw("SELECT * FROM queue_pauses ORDER BY queue").Scan(&out).Error
	return out, err
}

// doneSince counts the attempts that ended well since midnight: those before an
// hour, which must have settled, by the samples, later ones by looking.
func (s store) doneSince(ctx context.Context, midnight, hour time.Time) (int64, error) {
	if hour.Before(midnight) {
		hour = midnight
	}
	var n int64
	err := s.db.Read(ctx).Raw(`SELECT CAST(coalesce((SELECT sum(done) FROM queue_samples WHERE width = 'hour' AND at >= ? AND at < ?), 0)
		+ (SELECT count(*) FROM job_attempts WHERE finished_at >= ? AND outcome = 'done') AS bigint)`,
		database.At(midnight), database.At(hour), database.At(hour)).Scan(&n).Error
	return n, err
}

// known lists all queues that have or had jobs.
func (s store) known(ctx context.Context) (out []string, err error) {
	// The second part walks the index from one queue to the next.
	err = s.db.Read(ctx).Raw(`WITH RECURSIVE q(queue) AS (
			SELECT (SELECT queue FROM jobs ORDER BY queue LIMIT 1)
			UNION ALL SELECT (SELECT j.queue FROM jobs j WHERE j.queue > q.queue ORDER BY j.queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL)
		SELECT queue FROM q WHERE queue IS NOT NULL`).Scan(&out).Error
	return out, err
}

type sparkRow struct {
	Queue   string
	At      database.Time
	Waiting int64
}

// spark lists how many waited in each minute of the last hour.
func (s store) spark(ctx context.Context, now time.Time) (out []sparkRow, err error) {
	err = s.db.Read(ctx).Raw("SELECT queue, at, waiting FROM queue_samples WHERE width = 'minute' AND at > ? ORDER BY queue, at", ago(now, time.Hour)).Scan(&out).Error
	return out, err
}

type workerSample struct {
	Worker      string
	At          database.Time
	CPU         float64
	RSS         int64
	ScratchFree *int64
}

// workerSamples lists what workers reported in each minute of the last hour.
func (s store) workerSamples(ctx context.Context, now time.Time) (out []workerSample, err error) {
	err = s.db.Read(ctx).Raw("SELECT * FROM worker_samples WHERE at > ? ORDER BY at LIMIT 60000", ago(now, time.Hour)).Scan(&out).Error
	return out, err
}
