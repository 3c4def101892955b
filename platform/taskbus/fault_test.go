package taskbus_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"anb/platform/taskbus"
	"anb/platform/taskbus/redistest"
)

func z(member string) redis.Z { return redis.Z{Score: float64(now().Unix()), Member: member} }

// workUntilKilled is the other process of the kill test: a worker with two
// slots whose handlers note their start and never end.
func workUntilKilled(url string) {
	ctx := context.Background()
	rdb, err := taskbus.OpenRedis(ctx, url)
	if err != nil {
		panic(err)
	}
	bus, err := taskbus.New(taskbus.Options{Redis: rdb, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Lease: 900 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	w, err := bus.NewWorker(taskbus.WorkerOptions{ID: "victim", Queues: []string{queue}, Concurrency: 2, Tasks: map[string]taskbus.Handler{
		task: func(ctx context.Context, id string) { rdb.RPush(ctx, "begun", id); <-ctx.Done() },
	}})
	if err != nil {
		panic(err)
	}
	_ = w.Run(ctx)
	os.Exit(0)
}

func TestWorker_killedLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, redistest.Start(t).URL())
	b.send(t, queue, ids(12)...)
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), "TASKBUS_TEST_WORKER="+b.url)
	victim.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, victim.Start())
	eventually(t, func() bool { return b.rdb.LLen(t.Context(), "begun").Val() == 2 }, "the victim works")
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait() // killed: says so
	require.Equal(t, int64(10), b.stats(t, queue).Waiting, "it had popped no more than it ran")

	r := &recorder{}
	b.run(t, runOptions(1), r.handle)
	eventually(t, func() bool { return len(r.done()) == 12 }, "everything runs")
	require.ElementsMatch(t, ids(12), r.done())
	eventually(t, func() bool { return b.stats(t, queue) == taskbus.Stats{} }, "nothing left")
}

func TestWorker_acknowledgesAfterARestartOfRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := newBench(t, s.URL())
	b.send(t, queue, ids(3)...)
	r := &recorder{gate: make(chan struct{})}
	w, _ := b.run(t, runOptions(2), r.handle)
	eventually(t, func() bool { return len(r.starts()) == 2 }, "two run")
	s.Kill()
	close(r.gate)
	eventually(t, func() bool { return len(r.done()) == 2 }, "they end while Redis is away")
	require.Never(t, func() bool { return len(r.starts()) != 2 }, 200*time.Millisecond, tick)
	s.Restart()
	for i := range 10 {
		b.send(t, queue, fmt.Sprint("after-", i))
	}
	eventually(t, func() bool { return len(r.done()) == 13 && b.stats(t, queue) == taskbus.Stats{} }, "the rest and ten new ones run")
	require.Len(t, r.starts(), 13, "each ran once")
	require.NoError(t, w.Healthy(now()))
}

func TestWorker_restoresAMessageWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, redistest.Start(t).URL())
	r := &recorder{}
	b.run(t, runOptions(1), r.handle)
	b.send(t, queue, "first")
	eventually(t, func() bool { return len(r.done()) == 1 }, "it runs")
	members, err := b.rdb.ZRange(t.Context(), "anb:bus:workers", 0, -1).Result()
	require.NoError(t, err)
	require.Len(t, members, 1)
	instance := members[0][:len(members[0])-len("|"+queue)]
	b.send(t, "aside", "lost")
	require.NoError(t, b.rdb.LMove(t.Context(), "aside", "anb:bus:processing:jobs:"+instance, "LEFT", "RIGHT").Err())
	// Only a pop that is under way can lose its answer, and it may end before
	// the connection does: then nothing was lost yet, and the next one is cut.
	popping := regexp.MustCompile(` idle=0 .* cmd=blmove `)
	var cut time.Time
	eventually(t, func() bool {
		if time.Since(cut) > 4*time.Second && popping.MatchString(b.rdb.ClientList(t.Context()).Val()) {
			require.NoError(t, b.rdb.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal").Err())
			cut = time.Now()
		}
		return len(r.done()) == 2
	}, "it runs after all")
	require.Equal(t, []string{"first", "lost"}, r.done())
}

func TestWorker_makesNoHotLoop(t *testing.T) {
	t.Parallel()
	for name, queues := range map[string][]string{"one queue": {queue}, "three queues": {queue, "b", "c"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, redistest.Start(t).URL())
			for range 50 {
				require.NoError(t, b.rdb.RPush(t.Context(), queue, `{"Name":"nobody"}`).Err())
			}
			r := &recorder{}
			o := runOptions(2)
			o.Queues = queues
			b.run(t, o, r.handle)
			eventually(t, func() bool { return b.stats(t, queue).DeadTotal == 50 }, "set aside")
			before := calls(t, b.rdb)
			timer := time.NewTimer(2 * time.Second) // a rate needs a time
			<-timer.C
			// Beats and due looks, both quick here, are most of these.
			require.Less(t, calls(t, b.rdb)-before, 2*(len(queues)*55*4+30))
			require.Less(t, popCalls(t, b.rdb), 50+30*len(queues))
		})
	}
}

func TestWorker_backsOffWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	dials := make(chan struct{}, 10000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dials <- struct{}{}
			_ = c.Close()
		}
	}()
	b := newBench(t, "redis://"+l.Addr().String())
	_, stop := b.run(t, runOptions(1), func(context.Context, string) {})
	require.Never(t, func() bool { return len(dials) > 100 }, 1500*time.Millisecond, 10*time.Millisecond)
	require.NotEmpty(t, dials)
	began := now()
	require.NoError(t, stop())
	require.Less(t, time.Since(began), 6*time.Second)
}

func TestBus_isQuickWhenRedisIsSilent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	b := newBench(t, "redis://"+l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := now()
	require.Error(t, b.bus.Send(ctx, queue, task, "x"))
	require.Less(t, time.Since(began), time.Second)
	_, stop := b.run(t, runOptions(1), func(context.Context, string) {})
	began = now()
	require.Error(t, b.bus.Ping(t.Context()))
	require.NoError(t, stop())
	require.Less(t, time.Since(began), 12*time.Second)
}

func TestRun_endsInTimeWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := newBench(t, s.URL())
	b.send(t, queue, ids(3)...)
	r := &recorder{gate: make(chan struct{})}
	_, stop := b.run(t, runOptions(2), r.handle)
	eventually(t, func() bool { return len(r.starts()) == 2 }, "two run")
	s.Stop()
	began := now()
	require.Error(t, b.bus.Send(t.Context(), queue, task, "x"))
	require.NoError(t, stop())
	require.Less(t, time.Since(began), 10*time.Second)
	s.Restart()
	b.run(t, runOptions(2), r.handle)
	close(r.gate)
	eventually(t, func() bool { return len(r.done()) == 3 }, "the reaper brought the two back")
}

var callsOf = regexp.MustCompile(`cmdstat_([a-z|_]+):calls=(\d+)`)

func commandStats(t *testing.T, rdb redis.UniversalClient) map[string]int {
	info, err := rdb.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	all := map[string]int{}
	for _, m := range callsOf.FindAllStringSubmatch(info, -1) {
		n, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		all[m[1]] = n
	}
	return all
}

func calls(t *testing.T, rdb redis.UniversalClient) (n int) {
	for _, c := range commandStats(t, rdb) {
		n += c
	}
	return n
}

func popCalls(t *testing.T, rdb redis.UniversalClient) int {
	return commandStats(t, rdb)["blmove"]
}
