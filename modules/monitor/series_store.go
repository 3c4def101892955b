package monitor

import (
	"context"
	"time"

	"anb/platform/database"
)

// Point is how a queue, or all together, fared in an interval.
type Point struct {
	At                               time.Time
	Arrived, Started, Done, Failed   int64
	Waiting, Running                 int64
	Oldest                           time.Duration
	WaitP50, WaitP95, RunP50, RunP95 *time.Duration // nil: nothing to measure
}

// Range is a span of time that charts show, and the width of its intervals.
type Range struct {
	Name   string // as in addresses
	Length time.Duration
	Width  string // as in queue_samples
	Step   time.Duration
}

// Ranges returns those that charts offer.
func Ranges() []Range {
	const day = 24 * time.Hour
	return []Range{
		{"1h", time.Hour, "minute", time.Minute}, {"24h", day, "hour", time.Hour},
		{"7d", 7 * day, "hour", time.Hour}, {"90d", 90 * day, "day", day},
	}
}

// FindRange returns the named range, the first when there is none.
func FindRange(name string) Range {
	all := Ranges()
	for _, r := range all {
		if r.Name == name {
			return r
		}
	}
	return all[0]
}

type sampleRow struct {
	Queue     string
	At        database.Time
	Arrived   int64
	Started   int64
	Done      int64
	Failed    int64
	Waiting   int64
	Running   int64
	OldestMS  int64  `gorm:"column:oldest_ms"`
	WaitP50MS *int64 `gorm:"column:wait_p50_ms"`
	WaitP95MS *int64 `gorm:"column:wait_p95_ms"`
	RunP50MS  *int64 `gorm:"column:run_p50_ms"`
	RunP95MS  *int64 `gorm:"column:run_p95_ms"`
}

// series returns the samples of a queue, or of all when it is empty, in a range
// that ends now, oldest first. Percentiles of several queues are those of the
// slowest: they cannot be added.
func (s store) series(ctx context.Context, queue string, r Range, now time.Time) ([]Point, error) {
	var rows []sampleRow
	q := s.db.Read(ctx).Table("queue_samples").Where("width = ? AND at > ? AND at <= ?", r.Width, database.At(now.Add(-r.Length-r.Step)), database.At(now))
	if queue != "" {
		q = q.Where("queue = ?", queue)
	}
	if err := q.Order("at, queue").Find(&rows).Error; err != nil {
		return nil, err
	}
	var out []Point
	for _, x := range rows {
		if n := len(out); n == 0 || !out[n-1].At.Equal(x.At.Time) {
			out = append(out, Point{At: x.At.Time})
		}
		p := &out[len(out)-1]
		p.Arrived += x.Arrived
		p.Started += x.Started
		p.Done += x.Done
		p.Failed += x.Failed
		p.Waiting += x.Waiting
		p.Running += x.Running
		p.Oldest = max(p.Oldest, time.Duration(x.OldestMS)*time.Millisecond)
		for into, ms := range map[**time.Duration]*int64{&p.WaitP50: x.WaitP50MS, &p.WaitP95: x.WaitP95MS, &p.RunP50: x.RunP50MS, &p.RunP95: x.RunP95MS} {
			raise(into, ms)
		}
	}
	return out, nil
}

// raise makes into at least ms.
func raise(into **time.Duration, ms *int64) {
	if ms == nil {
		return
	}
	if d := time.Duration(*ms) * time.Millisecond; *into == nil || **into < d {
		*into = &d
	}
}
