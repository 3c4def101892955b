package taskbus_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/taskbus"
)

func TestAdjust_toNothingPopsNothingAndIsHealthy(t *testing.T) {
	t.Parallel()
	for name, adjust := range map[string]func(*taskbus.Worker){
		"no slots":  func(w *taskbus.Worker) { w.Adjust(-1, []string{queue}) },
		"no queues": func(w *taskbus.Worker) { w.Adjust(2, nil) },
		"another's": func(w *taskbus.Worker) { w.Adjust(2, []string{"other"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, b bench) {
				r := &recorder{gate: make(chan struct{})}
				w, stop := b.run(t, runOptions(2), r.handle)
				b.send(t, queue, "running")
				eventually(t, func() bool { return len(r.starts()) == 1 }, "one runs, and the other slot waits for a message")

				adjust(w)
				b.send(t, queue, ids(3)...)
				stays(t, 1300*time.Millisecond, func() bool { return len(r.starts()) == 1 }, "also the pop that was under way brings nothing")
				require.Equal(t, ids(3), b.waiting(t, queue), "in their order")
				require.NoError(t, w.Healthy(now().Add(time.Hour)), "idle by order is not stuck")
				r.gate <- struct{}{}
				eventually(t, func() bool { return len(r.done()) == 1 }, "what runs goes on")

				w.Adjust(1, []string{queue})
				close(r.gate)
				eventually(t, func() bool { return len(r.done()) == 4 }, "and then the rest")
				require.Equal(t, ids(3), r.done()[1:])
				adjust(w)
				require.NoError(t, stop())
			})
		})
	}
}

func TestAdjust_changesTheSlotsOfARunningWorker(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		r := &recorder{gate: make(chan struct{})}
		w, _ := b.run(t, runOptions(1), r.handle)
		b.send(t, queue, ids(9)...)
		eventually(t, func() bool { return len(r.starts()) == 1 }, "one slot")
		w.Adjust(3, []string{queue})
		eventually(t, func() bool { return len(r.starts()) == 3 }, "three at once")

		w.Adjust(1, []string{queue})
		for range 2 {
			r.gate <- struct{}{}
		}
		eventually(t, func() bool { return len(r.done()) == 2 }, "nobody was ended")
		stays(t, 300*time.Millisecond, func() bool { return len(r.starts()) == 3 }, "the one that is left has the only slot")
		r.gate <- struct{}{}
		eventually(t, func() bool { return len(r.starts()) == 4 }, "then the next takes it")
		close(r.gate)
		eventually(t, func() bool { return len(r.done()) == 9 }, "all run")
		require.Equal(t, 3, r.most)
	})
}

func TestAdjust_leavesQueuesAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		o := runOptions(2)
		o.Queues = []string{"high", "low"}
		r := &recorder{}
		w, _ := b.run(t, o, r.handle)
		w.Adjust(2, []string{"low"})
		b.send(t, "high", "h1")
		b.send(t, "low", "l1")
		eventually(t, func() bool { return len(r.done()) == 1 }, "the other queue is served")
		stays(t, 300*time.Millisecond, func() bool { return len(r.done()) == 1 }, "and only that")
		require.Equal(t, []string{"h1"}, b.waiting(t, "high"))
		w.Adjust(2, []string{"low", "high"})
		eventually(t, func() bool { return len(r.done()) == 2 }, "until it is allowed again")
	})
}

func TestAdjust_holdsBeforeRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		r := &recorder{gate: make(chan struct{})}
		o := runOptions(3)
		o.ID, o.Queues, o.Tasks = "tester", []string{queue}, map[string]taskbus.Handler{task: r.handle}
		w, err := b.bus.NewWorker(o)
		require.NoError(t, err)
		w.Adjust(1, []string{queue})
		b.send(t, queue, ids(3)...)
		stop := start(t, w)
		eventually(t, func() bool { return len(r.starts()) == 1 }, "one starts")
		stays(t, 300*time.Millisecond, func() bool { return len(r.starts()) == 1 }, "and one only")
		close(r.gate)
		eventually(t, func() bool { return len(r.done()) == 3 }, "all run")
		require.NoError(t, stop())
	})
}
