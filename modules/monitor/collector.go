package monitor

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"anb/modules/monitor/drain"
)

const (
	// watchedPause is between two looks while somebody watches, idlePause while
	// nobody does.
	watchedPause = time.Second
	idlePause    = 10 * time.Second
	// gentle is how many times longer than a look the pause after it is at
	// least: looking takes at most a tenth of one connection.
	gentle = 9
	// slowEvery is how often what changes slowly is read.
	slowEvery = 10 * time.Second
	// lostPause is between two looks at a database that does not answer in time:
	// whoever waits for it to come back waits no longer.
	lostPause = 3 * time.Second
	// brokerPatience is how long a look waits for Redis.
	brokerPatience = 500 * time.Millisecond
)

// collector looks at the database once for all who watch, and tells them. It
// is safe for concurrent use.
type collector struct {
	store     store
	bus       Bus
	heartbeat time.Duration
	diskLow   int64    // bytes
	queues    []string // that exist although they never had a job
	log       *slog.Logger
	observe   func(query string, took time.Duration)
	ran       func(latest []run) // is told of the latest done attempts, of most of them again; may be nil

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	wake     chan struct{}

	latest  atomic.Pointer[Snapshot]
	looked  atomic.Int64 // when the latest look ended, ns since 1970
	began   atomic.Int64 // when it began
	changed atomic.Int64 // when this dashboard last changed something
	slow    slowPart
	asked   time.Duration // how much of the latest look Redis took
	dead    deadPart
	lag     atomic.Int64 // ns that a job may be without progress

	missing struct{ database, broker time.Time } // since when; zero: they are there
	waiting map[string]time.Time                 // queues without consumers, since when
}

// slowPart is what one look in ten seconds suffices for.
type slowPart struct {
	at     time.Time
	known  []string
	runs   map[string][]drain.Run
	waits  map[string][]time.Duration
	spark  map[string][]float64
	load   map[string]load // by worker
	recent map[string]recent
	today  int64
}

// load is what a worker used, by minute.
type load struct{ cpu, rss, free []float64 }

// watcher is somebody who wants to know.
type watcher struct {
	jobs   []string      // whose details it wants
	rows   []string      // whose rows it wants
	notify chan struct{} // gets a value when there is a newer snapshot
}

// leastLag is how long a job may be without progress at least before it
// counts as stuck.
const leastLag = time.Minute

func newCollector(d Deps, observe func(string, time.Duration)) *collector {
	c := &collector{
		store: store{db: d.DB}, bus: d.Bus, heartbeat: d.Heartbeat, diskLow: d.Config.DiskLow, queues: d.Queues, log: d.Log, observe: observe,
		watchers: map[*watcher]struct{}{}, wake: make(chan struct{}, 1), waiting: map[string]time.Time{},
	}
	c.lag.Store(int64(leastLag))
	c.store.lag = func() time.Duration { return time.Duration(c.lag.Load()) }
	c.latest.Store(&Snapshot{})
	return c
}

// Run looks until ctx ends.
func (c *collector) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-c.wake:
		}
		began := time.Now()
		rest := c.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := max(idlePause, rest)
		if c.watched() {
			pause = max(watchedPause-time.Since(began), rest)
		}
		timer.Reset(pause)
	}
}

// snapshot is the latest one; never nil.
func (c *collector) snapshot() *Snapshot { return c.latest.Load() }

// watch registers somebody; the caller calls stop.
func (c *collector) watch(jobs, rows []string) (w *watcher, stop func()) {
	w = &watcher{jobs: jobs, rows: rows, notify: make(chan struct{}, 1)}
	c.mu.Lock()
	first := len(c.watchers) == 0
	c.watchers[w] = struct{}{}
	c.mu.Unlock()
	if first || len(jobs)+len(rows) > 0 {
		c.soon()
	}
	return w, func() {
		c.mu.Lock()
		delete(c.watchers, w)
		c.mu.Unlock()
	}
}

const (
	// freshness is how old a snapshot may be that a new page shows.
	freshness = 1500 * time.Millisecond
	// freshWait is how long a page waits for a newer one.
	freshWait = 1500 * time.Millisecond
)

// fresh waits until the snapshot is as good as new and shows what this dashboard
// has changed, for a moment at most: a page of an hour ago helps nobody, and a
// database that is away must not keep the page from saying so.
func (c *collector) fresh(ctx context.Context) {
	if c.current() || c.snapshot().Lost() {
		return
	}
	w, stop := c.watch(nil, nil)
	defer stop()
	c.soon()
	timer := time.NewTimer(freshWait)
	defer timer.Stop()
	for !c.current() {
		select {
		case <-w.notify:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// current tells whether fresh has nothing to wait for.
func (c *collector) current() bool {
	looked := time.Unix(0, c.looked.Load())
	return time.Since(looked) < freshness && c.began.Load() > c.changed.Load()
}

// touched says that something was changed that the next page should show.
func (c *collector) touched() {
	c.changed.Store(time.Now().UnixNano())
	c.soon()
}

// soon has the next look happen now.
func (c *collector) soon() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *collector) watched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.watchers) > 0
}

// clients is how many watch.
func (c *collector) clients() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.watchers)
}

// wanted are the jobs that anybody watches.
func (c *collector) wanted() (jobs, rows []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j, r := map[string]bool{}, map[string]bool{}
	for w := range c.watchers {
		for _, id := range w.jobs {
			j[id] = true
		}
		for _, id := range w.rows {
			r[id] = true
		}
	}
	some := func(m map[string]bool, most int) []string {
		all := slices.Sorted(maps.Keys(m))
		return all[:min(len(all), most)]
	}
	return some(j, maxDetails), some(r, maxWatched)
}

// tell wakes everybody who watches; who is slow misses snapshots, not the
// latest.
func (c *collector) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watchers {
		select {
		case w.notify <- struct{}{}:
		default:
		}
	}
}

// look makes the next snapshot. When the database does not answer it is the
// last one with that problem. It returns how long to leave the database alone.
func (c *collector) look(ctx context.Context) (rest time.Duration) {
	began := time.Now()
	c.asked = 0
	old := c.snapshot()
	s, err := c.read(ctx)
	if ctx.Err() != nil {
		return 0
	}
	if rest = gentle * (time.Since(began) - c.asked); err != nil {
		rest = min(rest, lostPause)
		if c.missing.database.IsZero() {
			c.missing.database = began
			c.log.WarnContext(ctx, "database not read, will try again", slog.Any("error", err))
		}
		same := *old
		same.Problems = append([]Problem{{Kind: NoDatabase, Since: c.missing.database}}, without(old.Problems, NoDatabase)...)
		s = &same
	} else if !c.missing.database.IsZero() {
		c.missing.database = time.Time{}
		c.log.InfoContext(ctx, "database read again")
	}
	s.Seq = old.Seq + 1
	c.latest.Store(s)
	c.looked.Store(time.Now().UnixNano())
	c.began.Store(began.UnixNano())
	c.observe("snapshot", time.Since(began))
	c.tell()
	return rest
}

func without(ps []Problem, k ProblemKind) []Problem {
	return slices.DeleteFunc(slices.Clone(ps), func(p Problem) bool { return p.Kind == k })
}
