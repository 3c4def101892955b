package taskbus_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/taskbus"
)

func now() time.Time { return time.Now() }

func runOptions(concurrency int) taskbus.WorkerOptions {
	return taskbus.WorkerOptions{Concurrency: concurrency, Drain: time.Second}
}

func TestNew_namesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := taskbus.New(taskbus.Options{Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "required")
}

func TestNewWorker_refusesBadOptions(t *testing.T) {
	t.Parallel()
	b := newBench(t, "redis://127.0.0.1:1/0")
	_, err := b.bus.NewWorker(taskbus.WorkerOptions{ID: "a|b", Queues: []string{"q", "q"}, Tasks: map[string]taskbus.Handler{"x": nil}, Drain: -1})
	for _, problem := range []string{"ID", "twice", "concurrency", "no handler", "drain"} {
		require.ErrorContains(t, err, problem)
	}
}

func TestSend_refusesWhatNoWorkerWouldTake(t *testing.T) {
	t.Parallel()
	b := newBench(t, "redis://127.0.0.1:1/0")
	require.ErrorContains(t, b.bus.Send(t.Context(), queue, task, ""), "required")
	require.ErrorContains(t, b.bus.Send(t.Context(), queue, task, string(make([]byte, 2000))), "1024")
}

func TestOpenRedis_neverShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"redis://:sec%ret@h:1/0", "http://u:secret@h", "redis://:secret@h:1/zero", "secret"} {
		_, err := taskbus.OpenRedis(t.Context(), address)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "sec")
	}
}

func TestWorker_deliversEachMessageOnceInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		require.NoError(t, b.bus.Ping(t.Context()))
		r := &recorder{}
		w, stop := b.run(t, runOptions(1), r.handle)
		b.send(t, queue, ids(30)...)
		eventually(t, func() bool { return len(r.done()) == 30 }, "all run")
		require.Equal(t, ids(30), r.done())
		eventually(t, func() bool { return b.stats(t, queue) == taskbus.Stats{} }, "nothing left")
		require.NoError(t, w.Healthy(now()))
		eventually(t, func() bool { return w.Healthy(now().Add(time.Hour)) != nil }, "a fetch loop that is stuck shows, once it waits")
		require.NoError(t, stop())
		require.Error(t, w.Healthy(now()))
		require.ErrorIs(t, w.Run(t.Context()), taskbus.ErrWorkerUsed)
	})
}

func TestWorker_popsOnlyWhatItHasSlotsFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]int{"one slot": 1, "three slots": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, b bench) {
				b.send(t, queue, ids(9)...)
				r := &recorder{gate: make(chan struct{})}
				w, _ := b.run(t, runOptions(c), r.handle)
				eventually(t, func() bool { return len(r.starts()) == c }, "the slots are taken")
				want := taskbus.Stats{Waiting: int64(9 - c), InFlight: int64(c)}
				stays(t, 300*time.Millisecond, func() bool { return b.stats(t, queue) == want }, "slots before pops")
				require.NoError(t, w.Healthy(now().Add(time.Hour)), "busy is not stuck")
				close(r.gate)
				eventually(t, func() bool { return len(r.done()) == 9 }, "all run")
				require.Equal(t, c, r.most)
			})
		})
	}
}

func TestWorker_queuesShareSlotsAndEarlierOnesGoFirst(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, "low", "l1", "l2", "l3")
		b.send(t, "high", "h1", "h2", "h3")
		o := runOptions(2)
		o.Queues = []string{"high", "low"}
		r := &recorder{gate: make(chan struct{})}
		b.run(t, o, r.handle)
		for want := 2; want <= 6; want++ {
			eventually(t, func() bool { return len(r.starts()) == want }, "the next one starts")
			r.gate <- struct{}{}
		}
		r.gate <- struct{}{}
		eventually(t, func() bool { return len(r.done()) == 6 }, "all run")
		require.ElementsMatch(t, []string{"h1", "h2"}, r.starts()[:2])
		require.Equal(t, []string{"h3", "l1", "l2", "l3"}, r.starts()[2:])
		require.Equal(t, 2, r.most, "two at once over both queues")
		b.send(t, "low", "l4")
		eventually(t, func() bool { return len(r.starts()) == 7 }, "an idle worker sees the later queue")
		r.gate <- struct{}{}
	})
}

func TestSendAt_keepsTheQueueAndTheTime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		at := now().Add(400 * time.Millisecond)
		require.NoError(t, b.bus.SendAt(t.Context(), queue, task, "later", at))
		require.NoError(t, b.bus.SendAt(t.Context(), "other", task, "elsewhere", at))
		require.NoError(t, b.bus.SendAt(t.Context(), queue, task, "past", now().Add(-time.Hour)))
		require.Equal(t, taskbus.Stats{Waiting: 1, Delayed: 1}, b.stats(t, queue))
		o := runOptions(1)
		o.Queues = []string{queue, "other"}
		early := make(chan string, 1)
		r := &recorder{}
		b.run(t, o, func(ctx context.Context, id string) {
			if id != "past" && now().Before(at.Truncate(time.Millisecond)) {
				early <- id
			}
			r.handle(ctx, id)
		})
		eventually(t, func() bool { return len(r.done()) == 3 }, "all run")
		require.Empty(t, early)
		require.Equal(t, []string{"past", "later", "elsewhere"}, r.done())
	})
}

func TestSendAt_manyDueAtOnceRunTogetherOldestFirst(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		at := now().Add(time.Second)
		all := ids(20)
		for i := range all { // the newest is sent first
			n := len(all) - 1 - i
			require.NoError(t, b.bus.SendAt(t.Context(), queue, task, all[n], at.Add(time.Duration(n)*time.Millisecond)))
		}
		r := &recorder{gate: make(chan struct{})}
		b.run(t, runOptions(4), r.handle)
		eventually(t, func() bool { return len(r.starts()) == 4 }, "as many as there are slots")
		require.ElementsMatch(t, all[:4], r.starts())
		eventually(t, func() bool { return b.stats(t, queue).Waiting == 16 }, "the rest is due as well")
		require.Equal(t, all[4:], b.waiting(t, queue))
		close(r.gate)
		eventually(t, func() bool { return len(r.done()) == 20 }, "all run")
		require.Less(t, time.Since(at), 3*time.Second, "not two a second")
	})
}
