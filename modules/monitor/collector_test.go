package monitor

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/monitor/drain"
	"anb/platform/database"
)

// worker adds a worker's report.
func (w *world) worker(id string, silent time.Duration, slots int) {
	w.t.Helper()
	w.exec(`INSERT INTO workers (id, host, pid, version, queues, slots, state, started_at, beat_at, cpu, rss, scratch_free, done, failed)
		VALUES (?, 'host', 7, '1.2.3', 'video_queue,other', ?, 'online', ?, ?, 1.5, 100, 1099511627776, 4, 1)`, id, slots,
		database.At(time.Now().Add(-time.Hour)), database.At(time.Now().Add(-silent)))
}

func queueNamed(t *testing.T, s *Snapshot, name string) Queue {
	t.Helper()
	for _, q := range s.Queues {
		if q.Name == name {
			return q
		}
	}
	require.Fail(t, "no queue "+name)
	return Queue{}
}

func kinds(s *Snapshot) (out []ProblemKind) {
	for _, p := range s.Problems {
		out = append(out, p.Kind)
	}
	return out
}

func TestSnapshot_TellsWhatTheTablesTell(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		variety(w)
		w.worker("w1", time.Second, 8)
		w.worker("w2", time.Second, 8)
		w.bus.poison = 3
		s := w.look()
		q := queueNamed(t, s, testQueue)
		require.Equal(t, []int64{7, 7, 21, 14, 7, 2, 16, 3}, []int64{q.Waiting, q.Scheduled, q.Running, q.Stuck + 7, q.Dead, q.Consumers, q.Slots, q.Poison})
		require.InDelta(t, 6*60, q.Oldest.Seconds(), 5)
		other := queueNamed(t, s, "other")
		require.Equal(t, []int64{0, 7, 0, 0}, []int64{other.Waiting, other.Scheduled, other.Running, other.Dead})
		require.Len(t, s.Running, 21)
		require.Len(t, s.Workers, 2)
		require.Len(t, s.Groups, 1)
		require.Equal(t, int64(7), s.Groups[0].Count)
		require.Equal(t, "timeout", s.Groups[0].Fingerprint)
		h := s.Headline()
		require.Equal(t, []int64{7, 14, 21, 7, 16}, []int64{h.Waiting, h.Scheduled, h.Running, h.Dead, h.Slots})
		require.Equal(t, w.text("SELECT count(*) FROM job_attempts WHERE outcome = 'done'"), strconv.FormatInt(h.DoneToday+yesterday(w), 10))
		require.Contains(t, kinds(s), JobsStuck)
		require.NotContains(t, kinds(s), NoWorkers)
	})
}

// yesterday counts what a test that runs at midnight has done before it.
func yesterday(w *world) int64 {
	var n int64
	midnight := time.Now().UTC().Truncate(24 * time.Hour)
	require.NoError(w.t, w.db.Read(w.t.Context()).Raw("SELECT count(*) FROM job_attempts WHERE outcome = 'done' AND finished_at < ?", database.At(midnight)).Scan(&n).Error)
	return n
}

func TestSnapshot_WarnsWhenNobodyTakesJobsAndNotWhenTheQueueIsPaused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		require.Empty(t, w.look().Problems, "nothing waits")
		w.add(seed{state: "queued"})
		require.Equal(t, []ProblemKind{NoWorkers}, kinds(w.look()))
		require.Equal(t, drain.NoConsumers, queueNamed(t, w.m.collector.snapshot(), testQueue).Drain.Kind)
		since := w.m.collector.snapshot().Problems[0].Since
		require.Equal(t, since, w.look().Problems[0].Since, "and remembers since when")
		_, err := w.m.pauseQueue(w.as("oscar"), testQueue, "mantenimiento", "")
		require.NoError(t, err)
		require.Equal(t, []ProblemKind{Paused}, kinds(w.look()))
		require.Equal(t, drain.Paused, queueNamed(t, w.m.collector.snapshot(), testQueue).Drain.Kind)
		_, err = w.m.resumeQueue(w.as("oscar"), testQueue, "")
		require.NoError(t, err)
		w.worker("w1", time.Second, 1)
		require.Empty(t, w.look().Problems)
		w.exec("UPDATE workers SET ordered_drain = ?", true)
		require.Equal(t, []ProblemKind{NoWorkers}, kinds(w.look()), "who drains takes nothing")
		w.exec("UPDATE workers SET ordered_drain = ?, ordered_idle = 'video_queue'", false)
		require.Equal(t, []ProblemKind{NoWorkers}, kinds(w.look()))
	})
}

func TestSnapshot_WorkersGoFromOnlineOverLateToCrashed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		for silent, want := range map[time.Duration]WorkerState{
			0: Online, testHeartbeat: Online, 2 * testHeartbeat: Late, 9 * testHeartbeat: Late, 11 * testHeartbeat: Crashed,
		} {
			w.exec("DELETE FROM workers")
			w.worker("w1", silent, 1)
			s := w.look()
			require.Equal(t, want, s.Workers[0].State, silent)
			if want == Online {
				require.Empty(t, s.Problems)
			} else {
				require.Equal(t, []ProblemKind{LateWorker}, kinds(s))
			}
		}
		w.exec("UPDATE workers SET state = 'exited', ended_at = beat_at")
		s := w.look()
		require.Equal(t, Exited, s.Workers[0].State)
		require.Empty(t, s.Problems)
		w.exec("DELETE FROM workers")
		w.worker("w1", 0, 1)
		w.exec("UPDATE workers SET scratch_free = 1000")
		require.Equal(t, []ProblemKind{DiskLow}, kinds(w.look()))
	})
}

func TestSnapshot_AStalledQueueGrowsOlderAndIsToldApartFromABusyOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Postgres(t))
	w.worker("w1", 0, 1)
	w.add(seed{state: "queued", made: time.Now().Add(-2 * time.Minute)})
	s := w.look()
	require.Equal(t, []ProblemKind{Stalled}, kinds(s))
	before := queueNamed(t, s, testQueue).Oldest
	require.Greater(t, queueNamed(t, w.look(), testQueue).Oldest, before)
	w.add(seed{state: "running", worker: "w1"})
	require.Empty(t, w.look().Problems, "its only slot is taken")
}

func TestSnapshot_SaysThatTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	require.True(t, w.look().Broker.OK)
	w.bus.set(errors.New("connection refused"))
	s := w.look()
	require.Equal(t, []ProblemKind{NoBroker}, kinds(s))
	require.Contains(t, w.get("vera", "/").Body.String(), "Redis no responde")
	require.Equal(t, 200, w.get("", "/readyz").Code)
	require.Contains(t, w.get("", "/readyz").Body.String(), "degraded")
	w.bus.set(nil)
	require.Empty(t, w.look().Problems)
}

func TestSnapshot_OutlivesADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	server := dbtest.StartDurable(t)
	w := newWorld(t, dbtest.Open(t, server.Create("dashboard"), true))
	w.add(seed{state: "dead", reason: "timeout", fingerprint: "timeout"})
	w.look()
	require.NoError(t, server.Quit())
	s := w.look()
	require.Equal(t, NoDatabase, s.Problems[0].Kind)
	require.Equal(t, int64(1), s.Headline().Dead, "the last that was known")
	for _, path := range []string{"/", "/queues", "/workers", "/dead"} {
		page := w.get("vera", path)
		require.Equal(t, 200, page.Code, path)
		require.Contains(t, page.Body.String(), "La base de datos no responde", path)
	}
	page := w.get("vera", "/jobs")
	require.GreaterOrEqual(t, page.Code, 500)
	require.Contains(t, page.Body.String(), "<h1>", "a page, not a crash")
	require.Equal(t, 503, w.get("", "/readyz").Code)
	require.Equal(t, 200, w.get("", "/healthz").Code)
	server.Launch()
	require.Empty(t, w.look().Problems, "and goes on by itself")
	require.Equal(t, 200, w.get("vera", "/jobs").Code)
}

func TestCollector_FiftyWatchersCostTheSQLOfOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		var ids []string
		for range 50 {
			ids = append(ids, w.add(seed{state: "running", worker: "w1"}).String())
		}
		w.look() // what is read each ten seconds
		_, stop := w.m.collector.watch(ids[:1], ids[:1])
		defer stop()
		one := dbtest.Statements(t, d, func() { w.look() })
		for i := range 49 {
			_, stop := w.m.collector.watch(ids[i+1:i+2], ids)
			defer stop()
		}
		fifty := dbtest.Statements(t, d, func() { w.look() })
		require.Len(t, fifty, len(one))
		require.NotEmpty(t, one)
		s := w.m.collector.snapshot()
		require.Len(t, s.Jobs, 50)
		require.Len(t, s.Rows, 50)
		rendering := dbtest.Statements(t, d, func() {
			for _, id := range ids {
				v := view{Lang: spanish}
				parts, err := w.m.render(topics{names: []string{"strip", "overview", "queues", "workers", "dead"}, job: id, rows: ids}, v, s)
				require.NoError(t, err)
				require.Len(t, parts, 5+4+50)
			}
		})
		require.Empty(t, rendering, "what watchers get costs no statement")
	})
}

func TestCollector_NoStatementReadsAWholeTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Postgres(t))
	fill(w, 50_000)
	w.worker("host-1-7", 0, 2)
	w.exec("ANALYZE")
	_, stop := w.m.collector.watch([]string{uuid.NewString()}, []string{uuid.NewString()})
	defer stop()
	dbtest.RequireIndexed(t, w.db, func() { w.look() }, "jobs", "j", "videos", "v", "job_attempts", "a")
	require.Empty(t, kindsOf(w, NoDatabase))
}

func kindsOf(w *world, k ProblemKind) (out []Problem) {
	for _, p := range w.m.collector.snapshot().Problems {
		if p.Kind == k {
			out = append(out, p)
		}
	}
	return out
}

func TestCollector_LooksEachSecondWhileSomebodyWatchesAndRarelyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.m.collector.Run(ctx) }()
	require.Eventually(t, func() bool { return w.m.collector.snapshot().Seq >= 1 }, 10*time.Second, 5*time.Millisecond)
	alone := w.m.collector.snapshot().Seq
	watcher, stop := w.m.collector.watch(nil, nil)
	began := time.Now()
	for range 3 {
		<-watcher.notify
	}
	require.Less(t, time.Since(began), idlePause)
	require.Greater(t, w.m.collector.snapshot().Seq, alone)
	stop()
	require.Zero(t, w.m.collector.clients())
	cancel()
	require.NoError(t, <-ended)
}
