package taskbus_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWorker_setsPoisonAsideAndRunsItsNeighbours(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		poison := []string{
			`{not json`,
			`{"UUID":"u","Name":"nobody","Args":[{"Type":"string","Value":"x"}]}`,
			`{"UUID":"u","Name":"work","Args":[{"Type":"int64","Value":7}]}`,
			`{"UUID":"u","Name":"work","Args":[{"Type":"string","Value":{"a":1}}]}`,
			`{"UUID":"u","Name":"work","Args":[]}`,
			"",
			"\xff\xfe",
			strings.Repeat("x", 5<<20),
		}
		for _, p := range poison {
			require.NoError(t, b.rdb.RPush(t.Context(), queue, p).Err())
		}
		b.send(t, queue, ids(10)...)
		r := &recorder{}
		w, _ := b.run(t, runOptions(2), r.handle)
		eventually(t, func() bool { return len(r.done()) == 10 }, "all good messages run")
		eventually(t, func() bool { return b.stats(t, queue).InFlight == 0 }, "nothing left behind")

		s := b.stats(t, queue)
		require.Equal(t, int64(len(poison)), s.DeadTotal)
		require.Equal(t, int64(5), s.Dead, "the list is capped")
		n, err := b.bus.DeadLen(t.Context(), queue)
		require.NoError(t, err)
		require.Equal(t, int64(5), n)
		dead, err := b.bus.Dead(t.Context(), queue, 10)
		require.NoError(t, err)
		var sizes []int
		for _, d := range dead {
			require.LessOrEqual(t, len(d.Payload), 4<<10)
			require.NotEmpty(t, d.Reason)
			sizes = append(sizes, d.Size)
		}
		require.Contains(t, sizes, 5<<20)
		require.NoError(t, w.Healthy(now()))
	})
}

func TestWorker_obeysNothingOnTheWireButNameAndArgument(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		const message = `{"UUID":"u","Name":"work","RoutingKey":"jobs","RetryCount":5,"RetryTimeout":1,
			"GroupUUID":"g","GroupTaskCount":1,"ChordCallback":{"Name":"work","RoutingKey":"jobs"},
			"OnSuccess":[{"UUID":"v","Name":"work","RoutingKey":"jobs","Args":[{"Type":"string","Value":"extra"}]}],
			"OnError":[{"Name":"work","RoutingKey":"jobs"}],"Args":[{"Type":"string","Value":"only"}]}`
		require.NoError(t, b.rdb.RPush(t.Context(), queue, message).Err())
		r := &recorder{}
		b.run(t, runOptions(1), func(ctx context.Context, id string) { r.handle(ctx, id); panic("on purpose") })
		eventually(t, func() bool { return len(r.done()) == 1 && b.stats(t, queue).InFlight == 0 }, "runs")
		b.send(t, queue, "after")
		eventually(t, func() bool { return len(r.done()) == 2 }, "the next one runs")
		require.Equal(t, []string{"only", "after"}, r.done())
		require.Zero(t, b.stats(t, queue).Delayed)
	})
}

func TestWorker_survivesHandlersThatPanicOrEndTheirGoroutine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b bench) {
		r := &recorder{}
		b.run(t, runOptions(1), func(ctx context.Context, id string) {
			r.handle(ctx, id)
			switch id {
			case "panic":
				panic("on purpose")
			case "goexit":
				runtime.Goexit()
			}
		})
		b.send(t, queue, "panic", "goexit", "fine")
		eventually(t, func() bool { return len(r.done()) == 3 }, "all run in the one slot")
		eventually(t, func() bool { return b.stats(t, queue).InFlight == 0 }, "all acknowledged")
		require.Contains(t, b.log.String(), "handler panicked")
	})
}
