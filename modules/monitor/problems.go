package monitor

import (
	"slices"
	"time"
)

const (
	// stallAfter is how long a due job waits beside a free slot before its queue
	// counts as stalled: sweepers wake workers each few seconds.
	stallAfter = time.Minute
	// crashNews is how long a crashed worker is worth a banner.
	crashNews = 15 * time.Minute
)

// judge finds what is wrong in s, the worst first.
func (c *collector) judge(s *Snapshot) {
	var out []Problem
	if !s.Broker.OK {
		out = append(out, Problem{Kind: NoBroker, Since: s.Broker.Since})
	}
	for _, q := range s.Queues {
		out = append(out, c.judgeQueue(q, s.At)...)
	}
	for _, w := range s.Workers {
		silent := s.At.Sub(w.BeatAt)
		if w.State == Late || w.State == Crashed && silent < crashNews {
			out = append(out, Problem{Kind: LateWorker, Subject: w.ID, Count: int64(len(w.Jobs)), Since: w.BeatAt})
		}
		if w.Living() && w.ScratchFree >= 0 && w.ScratchFree < c.diskLow {
			out = append(out, Problem{Kind: DiskLow, Subject: w.ID, Count: w.ScratchFree, Since: s.At})
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		if a.Urgent() != b.Urgent() {
			if a.Urgent() {
				return -1
			}
			return 1
		}
		return 0
	})
	s.Problems = out
}

func (c *collector) judgeQueue(q Queue, now time.Time) (out []Problem) {
	if q.Pause != nil {
		out = append(out, Problem{Kind: Paused, Subject: q.Name, Count: q.Waiting, Since: q.Pause.Since})
	}
	alone := q.Waiting > 0 && q.Consumers == 0 && q.Pause == nil
	if !alone {
		delete(c.waiting, q.Name)
	} else {
		if _, ok := c.waiting[q.Name]; !ok {
			c.waiting[q.Name] = now
		}
		out = append(out, Problem{Kind: NoWorkers, Subject: q.Name, Count: q.Waiting, Since: c.waiting[q.Name]})
	}
	if q.Waiting > 0 && q.Consumers > 0 && q.Pause == nil && q.Running < q.Slots && q.Oldest > stallAfter {
		out = append(out, Problem{Kind: Stalled, Subject: q.Name, Count: q.Waiting, Since: now.Add(-q.Oldest)})
	}
	if q.Stuck > 0 {
		out = append(out, Problem{Kind: JobsStuck, Subject: q.Name, Count: q.Stuck, Since: now})
	}
	return out
}
