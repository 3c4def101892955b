package taskbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/taskbus"
)

func TestRun_letsHandlersFinishAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, queue, ids(6)...)
		r := &recorder{gate: make(chan struct{})}
		o := runOptions(2)
		o.Drain = soon
		w, stop := b.run(t, o, r.handle)
		eventually(t, func() bool { return len(r.starts()) == 2 }, "two run")
		stopped := make(chan error, 1)
		go func() { stopped <- stop() }()
		eventually(t, func() bool { return w.Healthy(now()) != nil }, "the worker has heard")
		r.gate <- struct{}{}
		r.gate <- struct{}{}
		require.NoError(t, <-stopped)
		require.ElementsMatch(t, ids(6)[:2], r.done())
		require.Len(t, r.starts(), 2, "nothing is popped after the end")
		require.Equal(t, ids(6)[2:], b.waiting(t, queue))
		require.Zero(t, b.stats(t, queue).InFlight)
	})
}

func TestRun_returnsUnfinishedMessagesInOrderAfterTheDrain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, queue, ids(6)...)
		r := &recorder{gate: make(chan struct{})}
		o := runOptions(3)
		o.Drain = 300 * time.Millisecond
		_, stop := b.run(t, o, r.handle)
		eventually(t, func() bool { return len(r.starts()) == 3 }, "three run")
		began := now()
		require.NoError(t, stop())
		require.GreaterOrEqual(t, time.Since(began), o.Drain)
		require.Less(t, time.Since(began), 5*time.Second)
		require.Empty(t, r.done())
		require.Equal(t, ids(6), b.waiting(t, queue))
		require.Equal(t, taskbus.Stats{Waiting: 6}, b.stats(t, queue))
		beats, err := b.rdb.Keys(t.Context(), "anb:bus:beat:*").Result()
		require.NoError(t, err)
		require.Empty(t, beats)
	})
}

func TestRun_endsAlthoughAHandlerIgnoresItsContext(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, queue, "stubborn")
		began, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
		o := runOptions(1)
		o.Drain = 10 * time.Millisecond
		_, stop := b.run(t, o, func(context.Context, string) { close(began); <-release; close(left) })
		<-began
		at := now()
		require.NoError(t, stop())
		require.Less(t, time.Since(at), 8*time.Second)
		require.Equal(t, []string{"stubborn"}, b.waiting(t, queue))
		close(release)
		<-left
		stays(t, 100*time.Millisecond, func() bool { return len(b.waiting(t, queue)) == 1 }, "it acknowledges nothing any more")
	})
}

func TestReaper_returnsTheMessagesOfADeadWorkerInOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, queue, "1", "2", "3", "4")
		// What a worker leaves behind that died with two messages.
		for range 2 {
			require.NoError(t, b.rdb.LMove(t.Context(), queue, "anb:bus:processing:jobs:gone#1", "LEFT", "RIGHT").Err())
		}
		require.NoError(t, b.rdb.ZAdd(t.Context(), "anb:bus:workers", z("gone#1|jobs")).Err())
		o := runOptions(1)
		o.Queues = []string{"another"} // whoever lives reaps for all
		b.run(t, o, func(context.Context, string) {})
		eventually(t, func() bool { return len(b.waiting(t, queue)) == 4 }, "returned")
		require.Equal(t, []string{"1", "2", "3", "4"}, b.waiting(t, queue))
	})
}

func TestReaper_doesNotStealFromALiveSlowWorker(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		b.send(t, queue, "slow")
		r := &recorder{gate: make(chan struct{})}
		b.run(t, runOptions(1), r.handle)
		eventually(t, func() bool { return len(r.starts()) == 1 }, "it runs")
		b.run(t, runOptions(1), r.handle)
		require.Never(t, func() bool { return len(r.starts()) != 1 }, 2*time.Second, 20*time.Millisecond, "two leases long")
		close(r.gate)
		eventually(t, func() bool { return b.stats(t, queue) == taskbus.Stats{} }, "acknowledged")
	})
}
