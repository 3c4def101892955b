package monitor

import (
	"context"
	"slices"
	"strings"
	"time"

	"anb/modules/monitor/drain"
)

// read makes a snapshot of the database and the bus.
func (c *collector) read(ctx context.Context) (*Snapshot, error) {
	now, err := c.store.now(ctx)
	if err != nil {
		return nil, err
	}
	if now.Sub(c.slow.at) >= slowEvery || now.Before(c.slow.at) {
		if err := c.readSlow(ctx, now); err != nil {
			return nil, err
		}
	}
	s := &Snapshot{At: now, DoneToday: c.slow.today}
	queues := c.queueMap()
	for _, step := range []func(context.Context, *Snapshot, map[string]*queueWork) error{
		c.readWorkers, c.readRunning, c.readBacklog, c.readDead, c.readPauses, c.readWatched,
	} {
		if err := step(ctx, s, queues); err != nil {
			return nil, err
		}
	}
	if s.Ops, err = c.store.operations(ctx); err != nil {
		return nil, err
	}
	c.readBroker(ctx, s, queues)
	for _, name := range sortedKeys(queues) {
		q := queues[name]
		q.finish(s, c.slow, now)
		s.Queues = append(s.Queues, q.Queue)
	}
	c.judge(s)
	return s, nil
}

// queueWork is a queue in the making.
type queueWork struct {
	Queue
	waiting []time.Duration // lengths
	more    drain.Bulk
	running []drain.Running
}

func (c *collector) queueMap() map[string]*queueWork {
	out := map[string]*queueWork{}
	for _, name := range append(slices.Clone(c.queues), c.slow.known...) {
		queueOf(out, name)
	}
	return out
}

func queueOf(m map[string]*queueWork, name string) *queueWork {
	q, ok := m[name]
	if !ok {
		q = &queueWork{Queue: Queue{Name: name}}
		m[name] = q
	}
	return q
}

func (c *collector) readWorkers(ctx context.Context, s *Snapshot, queues map[string]*queueWork) error {
	rows, err := c.store.workers(ctx, s.At)
	if err != nil {
		return err
	}
	for _, r := range rows {
		w := r.worker(s.At, c.heartbeat)
		l := c.slow.load[w.ID]
		w.CPUs, w.RSSs, w.Frees = l.cpu, l.rss, l.free
		s.Workers = append(s.Workers, w)
		if !w.Living() {
			continue
		}
		for _, name := range w.Queues {
			if q := queueOf(queues, name); w.Takes(name) {
				q.Consumers++
				q.Slots += int64(w.Slots)
			}
		}
	}
	slices.SortStableFunc(s.Workers, func(a, b Worker) int {
		if a.Living() != b.Living() {
			if a.Living() {
				return -1
			}
			return 1
		}
		return b.StartedAt.Compare(a.StartedAt)
	})
	return nil
}

func (c *collector) readRunning(ctx context.Context, s *Snapshot, queues map[string]*queueWork) error {
	rows, err := c.store.running(ctx)
	if err != nil {
		return err
	}
	held := map[string][]Job{}
	for _, r := range rows {
		j := c.store.job(r, s.At)
		s.Running = append(s.Running, j)
		held[j.Worker] = append(held[j.Worker], j)
		q := queueOf(queues, j.Queue)
		q.Running++
		q.LastStart = latest(q.LastStart, j.AttemptAt)
		if j.State == Stuck {
			q.Stuck++
		}
		q.running = append(q.running, drain.Running{Progress: j.Progress / 100, Length: j.Length, Elapsed: j.Run(s.At)})
	}
	slices.SortFunc(s.Running, func(a, b Job) int { return a.AttemptAt.Compare(b.AttemptAt) })
	for i := range s.Workers {
		s.Workers[i].Jobs = held[s.Workers[i].ID]
	}
	return nil
}

func (c *collector) readBacklog(ctx context.Context, s *Snapshot, queues map[string]*queueWork) error {
	rows, err := c.store.backlogs(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		q := queueOf(queues, r.Queue)
		q.Waiting, q.Scheduled = r.Waiting, r.Scheduled
		if r.Since != nil {
			q.Oldest = max(0, s.At.Sub(r.Since.Time))
		}
		q.waiting, q.more = r.lengths()
	}
	return nil
}

func (c *collector) readDead(ctx context.Context, s *Snapshot, queues map[string]*queueWork) error {
	counts, err := c.store.dead(ctx)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, r := range counts {
		queueOf(queues, r.Queue).Dead = r.N
		total += r.N
	}
	if c.dead.total != total || c.dead.at != c.slow.at {
		groups, err := c.store.groups(ctx)
		if err != nil {
			return err
		}
		c.dead = deadPart{c.slow.at, total, groups}
	}
	s.Groups = c.dead.groups
	return nil
}

// deadPart is what was found when the dead-letter list last changed in size, or
// ten seconds ago.
type deadPart struct {
	at     time.Time
	total  int64
	groups []Group
}

func (c *collector) readPauses(ctx context.Context, _ *Snapshot, queues map[string]*queueWork) error {
	rows, err := c.store.pauses(ctx)
	for _, r := range rows {
		queueOf(queues, r.Queue).Pause = &Pause{Reason: r.Reason, Who: r.Who, Since: r.Since.Time}
	}
	return err
}

// readWatched reads the jobs that somebody looks at.
func (c *collector) readWatched(ctx context.Context, s *Snapshot, _ map[string]*queueWork) error {
	jobs, ids := c.wanted()
	var err error
	if s.Jobs, err = c.store.details(ctx, jobs, s.At); err != nil {
		return err
	}
	rows, err := c.store.byID(ctx, ids)
	if err != nil {
		return err
	}
	s.Rows = make(map[string]Job, len(rows))
	for _, r := range rows {
		s.Rows[r.ID.String()] = c.store.job(r, s.At)
	}
	return nil
}

// readBroker asks Redis; that it is away is something to show.
func (c *collector) readBroker(ctx context.Context, s *Snapshot, queues map[string]*queueWork) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	defer func() { c.asked = time.Since(began) }()
	var err error
	for _, name := range sortedKeys(queues) {
		q := queues[name]
		if q.Messages, q.Poison, err = c.bus.Messages(ctx, name); err != nil {
			break
		}
	}
	switch {
	case err == nil:
		c.missing.broker = time.Time{}
	case c.missing.broker.IsZero():
		c.missing.broker = s.At
	}
	s.Broker = Broker{OK: err == nil, Since: c.missing.broker}
}

// finish computes what follows from the rest.
func (q *queueWork) finish(s *Snapshot, slow slowPart, _ time.Time) {
	recent := slow.runs[q.Name]
	var runs []time.Duration
	var video, wall float64
	for _, r := range recent {
		runs = append(runs, r.Run)
		if r.Length > 0 {
			video, wall = video+r.Length.Seconds(), wall+r.Run.Seconds()
		}
	}
	if wall > 0 {
		q.Realtime = video / wall
	}
	r := slow.recent[q.Name]
	q.Arrived15, q.Done15, q.Failed15, q.Died15 = r.Arrived15, r.Done15, r.Failed15, r.Died15
	q.LastStart = latest(q.LastStart, moment(r.Started))
	q.RunP50, q.RunP95 = percentile(runs, 50), percentile(runs, 95)
	q.WaitP50, q.WaitP95 = percentile(slow.waits[q.Name], 50), percentile(slow.waits[q.Name], 95)
	q.Spark = slow.spark[q.Name]
	q.Drain = drain.Estimate(drain.Input{
		Waiting: q.waiting, More: q.more, Running: q.running, Recent: recent, Slots: int(q.Slots), Paused: q.Pause != nil,
		Arrived15: float64(q.Arrived15), Done15: float64(q.Done15), Arrived2: float64(r.Arrived2), Done2: float64(r.Done2),
	}, uint64(s.At.Unix()))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
