package taskbus_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"anb/platform/taskbus"
	"anb/platform/taskbus/redistest"
)

const (
	queue = "jobs"
	task  = "work"
	soon  = 10 * time.Second
	tick  = 5 * time.Millisecond
)

func TestMain(m *testing.M) {
	if url := os.Getenv("TASKBUS_TEST_WORKER"); url != "" {
		workUntilKilled(url)
	}
	// machinery's server starts its scheduler, and a package that its
	// configuration imports a worker at init; neither can be stopped.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/robfig/cron/v3.(*Cron).run"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// onBoth runs f on a real Redis and on the in-process one.
func onBoth(t *testing.T, f func(t *testing.T, b bench)) {
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, newBench(t, redistest.Start(t).URL()))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		f(t, newBench(t, redistest.Embedded(t)))
	})
}

// bench is a bus with short times, and a client to look behind it.
type bench struct {
	url string
	bus *taskbus.Bus
	rdb redis.UniversalClient
	log *journal
}

func newBench(t *testing.T, url string) bench {
	rdb, err := taskbus.OpenRedis(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	j := &journal{}
	bus, err := taskbus.New(taskbus.Options{
		Redis: rdb, Log: slog.New(slog.NewTextHandler(j, nil)), Lease: 900 * time.Millisecond, DelayedPoll: 20 * time.Millisecond, DeadCap: 5,
	})
	require.NoError(t, err)
	return bench{url, bus, rdb, j}
}

// run starts a worker and returns it, and how to stop it.
func (b bench) run(t *testing.T, o taskbus.WorkerOptions, h taskbus.Handler) (*taskbus.Worker, func() error) {
	t.Helper()
	if o.ID == "" {
		o.ID = "tester"
	}
	if o.Queues == nil {
		o.Queues = []string{queue}
	}
	o.Concurrency = max(o.Concurrency, 1)
	o.Tasks = map[string]taskbus.Handler{task: h}
	w, err := b.bus.NewWorker(o)
	require.NoError(t, err)
	return w, start(t, w)
}

// start runs w and returns how to stop it; stopping is also a clean-up.
func start(t *testing.T, w *taskbus.Worker) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var result error
	go func() { defer close(ended); result = w.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); <-ended; return result })
	t.Cleanup(func() { _ = stop() })
	return stop
}

func (b bench) send(t *testing.T, queue string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, b.bus.Send(t.Context(), queue, task, id))
	}
}

func (b bench) stats(t *testing.T, queue string) taskbus.Stats {
	t.Helper()
	s, err := b.bus.Stats(context.WithoutCancel(t.Context()), queue)
	require.NoError(t, err)
	return s
}

// waiting returns the ids on the queue, next to be popped first.
func (b bench) waiting(t *testing.T, queue string) []string {
	t.Helper()
	all, err := b.rdb.LRange(t.Context(), queue, 0, -1).Result()
	require.NoError(t, err)
	for i, m := range all {
		_, m, _ = strings.Cut(m, `"Value":"`)
		all[i], _, _ = strings.Cut(m, `"`)
	}
	return all
}

// stays watches for d that f holds. Unlike require.Never it looks from
// the test's own goroutine, and so never after the test has ended.
func stays(t *testing.T, d time.Duration, f func() bool, what string) {
	t.Helper()
	look := time.NewTicker(tick)
	defer look.Stop()
	for end := time.After(d); ; {
		require.True(t, f(), what)
		select {
		case <-look.C:
		case <-end:
			return
		}
	}
}

func eventually(t *testing.T, f func() bool, what string) {
	t.Helper()
	require.Eventually(t, f, soon, tick, what)
}

// recorder is a handler that notes ids, and waits at its gate when it has one.
type recorder struct {
	gate chan struct{}

	mu           sync.Mutex
	begun, ended []string
	now, most    int
}

func (r *recorder) handle(ctx context.Context, id string) {
	r.note(func() { r.begun = append(r.begun, id); r.now++; r.most = max(r.most, r.now) })
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			r.note(func() { r.now-- })
			return
		}
	}
	r.note(func() { r.ended = append(r.ended, id); r.now-- })
}

func (r *recorder) note(f func()) { r.mu.Lock(); defer r.mu.Unlock(); f() }

func (r *recorder) starts() (ids []string) {
	r.note(func() { ids = append(ids, r.begun...) })
	return ids
}

func (r *recorder) done() (ids []string) {
	r.note(func() { ids = append(ids, r.ended...) })
	return ids
}

func ids(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("id-%02d", i))
	}
	return all
}

type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) { j.mu.Lock(); defer j.mu.Unlock(); return j.b.Write(p) }

func (j *journal) String() string { j.mu.Lock(); defer j.mu.Unlock(); return j.b.String() }
