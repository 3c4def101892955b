package monitor

import (
	"context"
	"math"
	"slices"
	"time"

	"anb/modules/monitor/drain"
)

// readOutcomes reads what happened in the last quarter of an hour.
func (c *collector) readOutcomes(ctx context.Context, queues []string, now time.Time) (map[string]recent, error) {
	rows, err := c.store.outcomes(ctx, now)
	if err != nil {
		return nil, err
	}
	out := map[string]recent{}
	for _, r := range rows {
		out[r.Queue] = r
	}
	for _, name := range queues {
		r := out[name]
		if r.Arrived15, r.Arrived2, err = c.store.arrivals(ctx, name, now); err != nil {
			return nil, err
		}
		out[name] = r
	}
	return out, nil
}

// readSlow reads what changes slowly, or costs more.
func (c *collector) readSlow(ctx context.Context, now time.Time) error {
	next := slowPart{at: now, runs: map[string][]drain.Run{}, waits: map[string][]time.Duration{}, spark: map[string][]float64{}}
	var err error
	if next.known, err = c.store.known(ctx); err != nil {
		return err
	}
	hour := now.UTC().Truncate(time.Hour)
	if next.today, err = c.store.doneSince(ctx, hour.Truncate(24*time.Hour), hour.Add(-time.Hour)); err != nil {
		return err
	}
	if next.recent, err = c.readOutcomes(ctx, next.known, now); err != nil {
		return err
	}
	runs, err := c.store.runs(ctx, now)
	if err != nil {
		return err
	}
	if c.ran != nil {
		c.ran(runs)
	}
	for _, r := range runs {
		next.runs[r.Queue] = append(next.runs[r.Queue], drain.Run{
			Run: max(0, r.FinishedAt.Sub(r.StartedAt.Time)), Length: length(r.OriginalMS, r.StartMS),
		})
	}
	waits, err := c.store.waits(ctx, now)
	if err != nil {
		return err
	}
	for _, w := range waits {
		next.waits[w.Queue] = append(next.waits[w.Queue], max(0, w.StartedAt.Sub(w.CreatedAt.Time)))
	}
	sparks, err := c.store.spark(ctx, now)
	if err != nil {
		return err
	}
	for _, x := range sparks {
		next.spark[x.Queue] = append(next.spark[x.Queue], float64(x.Waiting))
	}
	loads, err := c.store.workerSamples(ctx, now)
	if err != nil {
		return err
	}
	next.load = map[string]load{}
	for _, x := range loads {
		l := next.load[x.Worker]
		free := math.NaN()
		if x.ScratchFree != nil {
			free = float64(*x.ScratchFree)
		}
		next.load[x.Worker] = load{append(l.cpu, x.CPU), append(l.rss, float64(x.RSS)), append(l.free, free)}
	}
	c.slow = next
	c.lag.Store(int64(next.patience()))
	return nil
}

// stuckFactor is how many times the 95th percentile of a run a job may be
// without progress.
const stuckFactor = 3

func (p slowPart) patience() time.Duration {
	longest := leastLag
	for _, name := range sortedKeys(p.runs) {
		var all []time.Duration
		for _, r := range p.runs[name] {
			all = append(all, r.Run)
		}
		longest = max(longest, stuckFactor*percentile(all, 95))
	}
	return longest
}

// percentile is by the nearest rank; zero of nothing.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}
