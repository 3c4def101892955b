package processing

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
	"anb/platform/lifecycle"
	"anb/platform/taskbus"
	"anb/platform/taskbus/redistest"
)

const patience = 20 * time.Second

// floor is a desk whose worker takes jobs from a real bus, with one slot.
type floor struct {
	*desk
	gate chan struct{} // lets one encoder end

	mu      sync.Mutex
	running int
}

func newFloor(t *testing.T, d *database.DB) *floor {
	t.Helper()
	f := &floor{gate: make(chan struct{})}
	f.desk = newDesk(t, d, f.encode)
	rdb, err := taskbus.OpenRedis(t.Context(), redistest.Embedded(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	bus, err := taskbus.New(taskbus.Options{Redis: rdb, Log: discard()})
	require.NoError(t, err)
	f.Worker.Bus, f.Operator.Bus, f.client.bus = bus, bus, bus
	f.Worker.Slots = 1
	f.Worker.duty.Store(&duty{slots: 1, queues: f.Queues})
	consumer, err := bus.NewWorker(taskbus.WorkerOptions{
		ID: f.ID, Queues: f.Queues, Concurrency: 1, Drain: time.Second, Tasks: map[string]taskbus.Handler{TaskName: f.Handle},
	})
	require.NoError(t, err)
	every := func(name string, do func(context.Context) error) lifecycle.Service {
		return lifecycle.Service{Name: name, Run: lifecycle.Every(discard(), name, 20*time.Millisecond, do)}
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- lifecycle.Run(ctx, discard(), lifecycle.Service{Name: "consumer", Run: f.Reported(consumer.Run)},
			every("orders", f.Obey(consumer.Adjust)), every("sweeper", f.Sweep))
	}()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
	f.reports(t, func(workerRow) bool { return true }, "it has reported")
	return f
}

func (f *floor) encode(ctx context.Context, j Job, r Report) (Output, error) {
	f.count(1)
	defer f.count(-1)
	select {
	case <-f.gate:
		return made(ctx, j, r)
	case <-ctx.Done():
		return Output{}, ctx.Err()
	}
}

func (f *floor) count(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running += n
	return f.running
}

// runs waits until exactly n jobs run, and stays sure of it for a moment.
func (f *floor) runs(t *testing.T, n int, why string) {
	t.Helper()
	require.Eventually(t, func() bool { return f.count(0) == n }, patience, 5*time.Millisecond, why)
	require.Never(t, func() bool { return f.count(0) != n }, 300*time.Millisecond, 10*time.Millisecond, why)
}

// reports waits until the worker's row is so.
func (f *floor) reports(t *testing.T, is func(workerRow) bool, what string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	require.Eventually(t, func() bool {
		var r workerRow
		found := f.repairs.DB.Read(ctx).Table("workers").Where("id = ?", f.ID).Find(&r)
		return found.Error == nil && found.RowsAffected == 1 && is(r)
	}, patience, 5*time.Millisecond, what)
}

// ordered wants an order to have changed something, and to be no change again.
func ordered(t *testing.T, order func() (bool, error)) {
	t.Helper()
	for _, want := range []bool{true, false} {
		changed, err := order()
		require.NoError(t, err)
		require.Equal(t, want, changed)
	}
}

func (f *floor) many(t *testing.T, n int) {
	t.Helper()
	for range n {
		f.waiting(t)
	}
}

func TestDrain_LetsARunningJobFinishAndTakesNoOther(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		f := newFloor(t, d)
		f.many(t, 3)
		f.runs(t, 1, "one slot")
		ordered(t, func() (bool, error) { return f.Drain(t.Context(), f.ID) })
		f.reports(t, func(r workerRow) bool { return r.State == "draining" && r.EndedAt == nil && r.Slots == 1 }, "it tells that it drains")
		f.gate <- struct{}{}
		f.runs(t, 0, "the running one ends, and no other begins")
		ordered(t, func() (bool, error) { return f.Undrain(t.Context(), f.ID) })
		f.runs(t, 1, "it goes on")
		f.reports(t, func(r workerRow) bool { return r.State == "online" }, "and tells so")
		close(f.gate)
	})
}

func TestScale_ChangesHowManyJobsRunAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		f := newFloor(t, d)
		f.many(t, 6)
		f.runs(t, 1, "one slot")
		ordered(t, func() (bool, error) { return f.Scale(t.Context(), f.ID, 3) })
		f.runs(t, 3, "three at once")
		f.reports(t, func(r workerRow) bool { return r.Slots == 3 && r.State == "online" }, "it tells its slots")
		ordered(t, func() (bool, error) { return f.Scale(t.Context(), f.ID, 1) })
		f.reports(t, func(r workerRow) bool { return r.Slots == 1 }, "it has heard")
		f.runs(t, 3, "nobody is ended")
		f.gate <- struct{}{}
		f.gate <- struct{}{}
		f.runs(t, 1, "and nobody takes their places")
		f.gate <- struct{}{}
		require.Eventually(t, func() bool { return f.done.Load() == 3 }, patience, 5*time.Millisecond, "the last of the three ends")
		f.runs(t, 1, "and the next one has the only slot")
		close(f.gate)
	})
}

func TestConsume_LeavesAQueueAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		f := newFloor(t, d)
		ordered(t, func() (bool, error) { return f.Consume(t.Context(), f.ID, "q", false) })
		require.Eventually(t, func() bool { return len(f.duty.Load().queues) == 0 }, patience, 5*time.Millisecond, "it has heard")
		f.many(t, 1)
		f.runs(t, 0, "nothing is taken")
		f.reports(t, func(r workerRow) bool { return r.State == "online" }, "which is no drain")
		ordered(t, func() (bool, error) { return f.Consume(t.Context(), f.ID, "q", true) })
		f.runs(t, 1, "and then it is")
		close(f.gate)
	})
}

func TestPause_KeepsAnIdleWorkerFromTheNextJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		f := newFloor(t, d)
		f.many(t, 1)
		f.runs(t, 1, "one runs")
		pause := func(reason string) func() (bool, error) {
			return func() (bool, error) { return f.Pause(t.Context(), "q", reason, "ana") }
		}
		ordered(t, pause("disco lleno"))
		f.gate <- struct{}{}
		f.runs(t, 0, "it ends in peace")
		require.EqualValues(t, 1, f.done.Load())
		f.many(t, 2)
		f.runs(t, 0, "what is due is not taken, though its worker was woken")
		depth, err := f.Worker.Bus.Depth(t.Context(), "q")
		require.NoError(t, err)
		require.Zero(t, depth, "and sweepers wake nobody")

		changed, err := pause("otra razón")()
		require.NoError(t, err)
		require.False(t, changed)
		var p struct{ Reason, Who string }
		require.NoError(t, d.Read(t.Context()).Table("queue_pauses").Take(&p).Error)
		require.Equal(t, "disco lleno", p.Reason, "the first one stays")
		require.Equal(t, "ana", p.Who)
		ordered(t, func() (bool, error) { return f.Resume(t.Context(), "q") })
		f.runs(t, 1, "workers are woken")
		close(f.gate)
	})
}

func TestPause_IsObeyedByEachClaim(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, _ := s.waiting(t)
		_, err := s.Pause(t.Context(), "q", "", "ana")
		require.NoError(t, err)
		for _, hint := range []uuid.UUID{task, uuid.Nil} {
			_, ok, err := s.claim(t.Context(), hint)
			require.NoError(t, err)
			require.False(t, ok)
		}
		s.bus.sent = nil
		require.NoError(t, s.Sweep(t.Context()))
		require.Empty(t, s.bus.sent)
		s.bus.down = errors.New("redis is away") // which is no error
		changed, err := s.Resume(t.Context(), "q")
		require.NoError(t, err)
		require.True(t, changed)
		require.Len(t, s.bus.sent, 1)
		s.take(t, uuid.Nil)
	})
}

func TestAudit_TellsThatAQueueIsPaused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.waiting(t)
		_, err := s.Pause(t.Context(), "q", "", "ana")
		require.NoError(t, err)
		var found []string
		require.NoError(t, Audit(t.Context(), d, time.Now().Add(16*time.Minute), func(f audit.Finding) { found = append(found, f.String()) }))
		require.Equal(t, []string{"job " + task.String() + " of video " + video.String() + ": has been due for more than 15m0s: its queue is paused"}, found)
	})
}

func TestOrders_RefusesThoseThatNoWorkerCouldObey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		ctx := t.Context()
		order := map[string]func() (bool, error){
			"drain":   func() (bool, error) { return s.Drain(ctx, "w1") },
			"undrain": func() (bool, error) { return s.Undrain(ctx, "w1") },
			"scale":   func() (bool, error) { return s.Scale(ctx, "w1", 2) },
			"consume": func() (bool, error) { return s.Consume(ctx, "w1", "q", false) },
		}
		refused := func(why string) {
			t.Helper()
			for name, give := range order {
				changed, err := give()
				require.ErrorIs(t, err, ErrWorkerNotFound, name+": "+why)
				require.False(t, changed)
			}
		}
		refused("it is unknown")
		report := workerReport{ID: "w1", State: workerExited, Queues: []string{"q", "r"}, Slots: 2}
		require.NoError(t, s.store.reportWorker(ctx, report))
		refused("it has ended")
		report.State = workerOnline
		require.NoError(t, s.store.reportWorker(ctx, report))
		for _, slots := range []int{0, -1, 257} {
			_, err := s.Scale(ctx, "w1", slots)
			require.ErrorContains(t, err, "Elige entre 1 y 256 tareas a la vez.")
		}
		_, err := s.Consume(ctx, "w1", "x", false)
		require.ErrorContains(t, err, "Ese trabajador no se inició con esa cola.")

		for _, q := range []string{"r", "q"} {
			ordered(t, func() (bool, error) { return s.Consume(ctx, "w1", q, false) })
		}
		ordered(t, order["scale"])
		ordered(t, order["drain"])
		o, err := s.store.orders(ctx, "w1")
		require.NoError(t, err)
		require.Equal(t, orders{drain: true, slots: 2, idle: []string{"q", "r"}}, o)
		require.NoError(t, s.store.reportWorker(ctx, report), "its own report leaves orders alone")
		again, err := s.store.orders(ctx, "w1")
		require.NoError(t, err)
		require.Equal(t, o, again)
	})
}

func TestObey_KeepsItsOrdersWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	s := newDesk(t, d, nil)
	var told []duty
	obey := s.Obey(func(slots int, queues []string) { told = append(told, duty{slots: slots, queues: queues}) })
	require.NoError(t, obey(t.Context()), "there is no row yet")
	require.NoError(t, s.store.reportWorker(t.Context(), workerReport{ID: "w1", State: workerOnline, Queues: []string{"q"}}))
	require.NoError(t, obey(t.Context()))
	require.Empty(t, told, "nothing is ordered")
	_, err := s.Drain(t.Context(), "w1")
	require.NoError(t, err)
	require.NoError(t, obey(t.Context()))
	require.NoError(t, obey(t.Context()))
	require.Equal(t, []duty{{slots: 2}}, told, "once")
	require.NoError(t, d.Close())
	require.Error(t, obey(t.Context()))
	require.True(t, s.duty.Load().draining)
	require.Len(t, told, 1)
}
