package webhook

import (
	"errors"
	"time"
)

// Rules says when something is wrong. A rule whose first limit is zero is off.
type Rules struct {
	// StalledAfter is how long jobs wait beside idle slots, and none starts,
	// until their queue is stalled.
	StalledAfter time.Duration
	// NoWorkersAfter is how long jobs wait without any consumer.
	NoWorkersAfter time.Duration
	// DeadLimit is how many jobs of a queue die within 15 minutes, and DeadShare
	// how many of those that end, 0 to 1, until too many do. Both have to be
	// reached.
	DeadLimit int
	DeadShare float64
	// DiskFree is how many bytes a disk has to have free.
	DiskFree int64
	// BlindAfter is how long the database does not answer.
	BlindAfter time.Duration
	// Remind is the time between two reminders of an alert that lasts.
	Remind time.Duration
	// Calm is how long all has to be well until an alert is over: what is at its
	// limit shall not begin and end all the time.
	Calm time.Duration
}

// Validate says everything that is wrong.
func (r Rules) Validate() error {
	var errs []error
	if r.StalledAfter < 0 || r.NoWorkersAfter < 0 || r.BlindAfter < 0 || r.Calm < 0 || r.DeadLimit < 0 || r.DiskFree < 0 {
		errs = append(errs, errors.New("a limit is negative"))
	}
	if r.DeadShare < 0 || r.DeadShare > 1 {
		errs = append(errs, errors.New("the share of dead jobs is not between 0 and 1"))
	}
	if r.Remind < time.Minute {
		errs = append(errs, errors.New("reminders come more than once a minute"))
	}
	return errors.Join(errs...)
}

// finding is what a rule says about one subject.
type finding struct {
	kind    Kind
	subject string
	wrong   bool
	hold    time.Duration // it has to be wrong for that long
	values  map[string]float64
}

// database is the subject of NoDatabase.
const database = "database"

// findings applies the rules; before is each queue as it was last seen.
func (r Rules) findings(s Snapshot, before map[string]Queue) []finding {
	var out []finding
	if r.BlindAfter > 0 {
		out = append(out, finding{NoDatabase, database, s.Blind, r.BlindAfter, nil})
	}
	for _, q := range s.Queues {
		old, known := before[q.Name]
		if r.StalledAfter > 0 {
			out = append(out, finding{QueueStalled, q.Name, known && q.stands(old), r.StalledAfter, map[string]float64{
				"waiting": float64(q.Waiting), "oldest_seconds": q.Oldest.Seconds(), "free_slots": float64(q.Slots - q.Running),
			}})
		}
		if r.NoWorkersAfter > 0 {
			out = append(out, finding{NoWorkers, q.Name, q.Waiting > 0 && q.Consumers == 0, r.NoWorkersAfter, map[string]float64{
				"waiting": float64(q.Waiting), "oldest_seconds": q.Oldest.Seconds(),
			}})
		}
		if r.DeadLimit > 0 {
			share := float64(q.Dead) / float64(max(1, q.Ended))
			out = append(out, finding{DeadRate, q.Name, q.Dead >= r.DeadLimit && share >= r.DeadShare, 0, map[string]float64{
				"dead": float64(q.Dead), "ended": float64(q.Ended), "share": share,
			}})
		}
	}
	if r.DiskFree > 0 {
		for _, d := range s.Disks {
			out = append(out, finding{DiskLow, d.Name, d.Free < r.DiskFree, 0, map[string]float64{
				"free_bytes": float64(d.Free), "limit_bytes": float64(r.DiskFree),
			}})
		}
	}
	return out
}

// stands reports whether jobs could have started since the queue was seen as old,
// and none did. A shorter wait of the oldest says that it left.
func (q Queue) stands(old Queue) bool {
	return q.Waiting > 0 && !q.Paused && q.Consumers > 0 && q.Running < q.Slots &&
		q.LastStart.Equal(old.LastStart) && q.Oldest >= old.Oldest
}
