package processing

import (
	"context"
	"strings"
	"time"

	"anb/platform/database"
)

// workerReport is what a worker tells of itself.
type workerReport struct {
	ID          string
	Host        string
	PID         int
	Version     string
	Queues      []string
	Slots       int
	State       workerState
	CPU         float64 // cores in use since the report before
	RSS         int64   // bytes
	ScratchFree *int64  // bytes; nil: not known
	Done        int64   // attempts since it started
	Failed      int64
}

// reportWorker writes a worker's row, a new one with its first report.
func (s store) reportWorker(ctx context.Context, r workerReport) error {
	now, ended := s.db.Now(), "NULL"
	if r.State == workerExited {
		ended = now
	}
	return s.db.Write(ctx).Exec(`INSERT INTO workers
			(id, host, pid, version, queues, slots, state, started_at, beat_at, ended_at, cpu, rss, scratch_free, done, failed)
		VALUES (?, ?, ?, ?, ?, ?, ?, `+now+`, `+now+`, `+ended+`, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET slots = excluded.slots, state = excluded.state, beat_at = excluded.beat_at, ended_at = excluded.ended_at,
			cpu = excluded.cpu, rss = excluded.rss, scratch_free = excluded.scratch_free, done = excluded.done, failed = excluded.failed`,
		r.ID, r.Host, r.PID, r.Version, strings.Join(r.Queues, ","), r.Slots, r.State,
		r.CPU, r.RSS, r.ScratchFree, r.Done, r.Failed).Error
}

// orders returns what operators want of a worker; nothing when it has no row yet.
func (s store) orders(ctx context.Context, worker string) (orders, error) {
	var r orderedRow
	err := s.db.Read(ctx).Table("workers").Select("queues, ordered_drain, ordered_slots, ordered_idle").
		Where("id = ?", worker).Limit(1).Find(&r).Error
	return r.orders(), err
}

// orderedRow is the part of a worker's row that operators write.
type orderedRow struct {
	Queues       string
	OrderedDrain bool
	OrderedSlots *int
	OrderedIdle  string
}

func (r orderedRow) orders() orders {
	o := orders{drain: r.OrderedDrain, idle: names(r.OrderedIdle)}
	if r.OrderedSlots != nil {
		o.slots = *r.OrderedSlots
	}
	return o
}

// names are those of a list with commas.
func names(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// sampleWorker keeps a worker's latest report as that of this minute, unless
// there is one.
func (s store) sampleWorker(ctx context.Context, id string, minute time.Time) error {
	return s.db.Write(ctx).Exec(`INSERT INTO worker_samples (worker, at, cpu, rss, scratch_free)
		SELECT id, ?, cpu, rss, scratch_free FROM workers WHERE id = ? ON CONFLICT (worker, at) DO NOTHING`, database.At(minute), id).Error
}

// forgetWorkerSamples removes those that are older than d.
func (s store) forgetWorkerSamples(ctx context.Context, d time.Duration) error {
	return s.db.Write(ctx).Exec("DELETE FROM worker_samples WHERE at < "+s.db.Ago(), database.Micros(d)).Error
}

// forgetWorkers removes the rows of workers that have been silent for d.
func (s store) forgetWorkers(ctx context.Context, d time.Duration) error {
	return s.db.Write(ctx).Exec("DELETE FROM workers WHERE beat_at < "+s.db.Ago(), database.Micros(d)).Error
}
