package processing

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/storage"
)

// fakeVideos remembers what became of each video.
type fakeVideos struct {
	mu     sync.Mutex
	status map[uuid.UUID]string
	keys   map[uuid.UUID]string
	gone   map[uuid.UUID]bool
}

func (f *fakeVideos) Source(context.Context, uuid.UUID) (string, time.Duration, error) {
	return "original.mp4", 3 * time.Second, nil
}

func (f *fakeVideos) MarkProcessing(_ context.Context, id uuid.UUID) (bool, error) {
	return !f.gone[id], nil
}

func (f *fakeVideos) Publish(_ context.Context, id uuid.UUID, video, _ string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status[id], f.keys[id] = "processed", video
	return true, nil
}

func (f *fakeVideos) Fail(_ context.Context, id uuid.UUID, code string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status[id] = code
	return nil
}

func (f *fakeVideos) of(id uuid.UUID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status[id]
}

// fakeBus counts what it is sent.
type fakeBus struct {
	mu   sync.Mutex
	sent []string
	down error
}

func (f *fakeBus) Send(_ context.Context, _, _, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, id)
	return f.down
}

func (f *fakeBus) Depth(context.Context, string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.sent)), f.down
}

type inspectorFunc func(context.Context, string) (Source, error)

func (f inspectorFunc) Inspect(ctx context.Context, path string) (Source, error) { return f(ctx, path) }

type encoderFunc func(context.Context, Job, Report) (Output, error)

func (f encoderFunc) Encode(ctx context.Context, j Job, r Report) (Output, error) {
	return f(ctx, j, r)
}

// bench is a worker with a database and stores of its own.
type bench struct {
	*Worker
	client *Client
	videos *fakeVideos
	bus    *fakeBus
}

func newBench(t *testing.T, d *database.DB, encode encoderFunc) *bench {
	t.Helper()
	open := func(url string) storage.Store {
		s, err := storage.Open(t.Context(), storage.Config{URL: url})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	b := &bench{
		videos: &fakeVideos{status: map[uuid.UUID]string{}, keys: map[uuid.UUID]string{}, gone: map[uuid.UUID]bool{}},
		bus:    &fakeBus{},
	}
	originals := open(t.TempDir())
	clip := filepath.Join(t.TempDir(), "clip")
	require.NoError(t, os.WriteFile(clip, []byte("a clip"), 0o600))
	require.NoError(t, storage.PutFile(t.Context(), originals, clip, "original.mp4", "video/mp4"))
	config := Config{
		Queue: "q", MaxAttempts: 3, Lease: 30 * time.Second, Heartbeat: 10 * time.Millisecond, Timeout: time.Minute,
		RetryBase: time.Hour, RetryCap: 4 * time.Hour, SweepInterval: time.Second, Grace: time.Minute,
		WorkDir: t.TempDir(), CacheDir: t.TempDir(),
	}
	accept := inspectorFunc(func(context.Context, string) (Source, error) { return Source{}, nil })
	if encode == nil {
		encode = made
	}
	w, err := NewWorker(WorkerDeps{
		ID: "w1", DB: d, Bus: b.bus, Videos: b.videos, Originals: originals, Processed: open(t.TempDir()),
		Inspector: accept, Encoder: encode, Queues: []string{"q"}, Slots: 2, Log: discard(), Config: config,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	b.Worker = w
	b.client, err = NewClient(config, DefaultLimits(), &Inspector{}, d, b.bus, time.Now, discard())
	require.NoError(t, err)
	return b
}

// made is an encoder that succeeds at once.
func made(_ context.Context, j Job, report Report) (Output, error) {
	report(StageEncode, 50, 1)
	out := Output{Video: File{Path: filepath.Join(j.Dir, "v")}, Poster: File{Path: filepath.Join(j.Dir, "p")}}
	return out, errors.Join(os.WriteFile(out.Video.Path, []byte("video"), 0o600), os.WriteFile(out.Poster.Path, []byte("poster"), 0o600))
}

func (b *bench) enqueue(t *testing.T) (task, video uuid.UUID) {
	t.Helper()
	video = uuid.New()
	task, err := b.client.Enqueue(t.Context(), video)
	require.NoError(t, err)
	return task, video
}

type jobState struct {
	State   State
	Attempt int
	Fence   int64
	Reason  string
}

func (b *bench) job(t *testing.T, id uuid.UUID) (s jobState) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("jobs").Where("id = ?", id).Take(&s).Error)
	return s
}

func (b *bench) outcomes(t *testing.T, id uuid.UUID) (out []string) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("job_attempts").Where("job_id = ?", id).Order("fence").Pluck("outcome", &out).Error)
	return out
}

// set changes a job behind the worker's back, as time or another process would.
func (b *bench) set(t *testing.T, id uuid.UUID, change string) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context()).Exec("UPDATE jobs SET "+change+" WHERE id = ?", id).Error)
}

func (b *bench) files(t *testing.T) (n int) {
	t.Helper()
	for _, err := range b.Processed.List(t.Context(), "") {
		require.NoError(t, err)
		n++
	}
	return n
}

const past = "lease_until = 0" // SQLite

func (b *bench) expire(t *testing.T, id uuid.UUID) {
	t.Helper()
	if b.DB.Dialect() == database.Postgres {
		b.set(t, id, "lease_until = to_timestamp(0)")
		return
	}
	b.set(t, id, past)
}

func (b *bench) makeDue(t *testing.T, id uuid.UUID) {
	t.Helper()
	if b.DB.Dialect() == database.Postgres {
		b.set(t, id, "run_after = to_timestamp(0)")
		return
	}
	b.set(t, id, "run_after = 0")
}

func TestStore_ClaimGivesEachJobToOneWorker(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		const jobs, workers = 60, 16
		for range jobs {
			b.enqueue(t)
		}
		var mu sync.Mutex
		seen := map[uuid.UUID]int{}
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					c, ok, err := b.claim(t.Context(), uuid.Nil)
					if !ok || err != nil {
						require.NoError(t, err)
						return
					}
					mu.Lock()
					seen[c.ID]++
					mu.Unlock()
					require.EqualValues(t, 1, c.Fence)
					require.Equal(t, 1, c.Attempt)
				}
			})
		}
		wg.Wait()
		require.Len(t, seen, jobs)
		for id, n := range seen {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestStore_ClaimTakesTheHintAndElseTheNextDue(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		first, _ := b.enqueue(t)
		second, _ := b.enqueue(t)
		third, _ := b.enqueue(t)

		c, ok, err := b.claim(t.Context(), second)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, second, c.ID)

		c, ok, err = b.claim(t.Context(), second)
		require.NoError(t, err)
		require.True(t, ok, "a stale hint still brings work")
		require.Equal(t, first, c.ID)

		b.set(t, third, "run_after = "+map[database.Dialect]string{database.Postgres: "now() + interval '1 hour'", database.SQLite: "9000000000000000"}[d.Dialect()])
		_, ok, err = b.claim(t.Context(), third)
		require.NoError(t, err)
		require.False(t, ok, "what is not due is not claimed, hint or not")
	})
}

func TestWorker_PublishesOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, video := b.enqueue(t)
		var wg sync.WaitGroup
		for range 20 { // one message delivered twenty times
			wg.Go(func() { b.Handle(t.Context(), task.String()) })
		}
		wg.Wait()
		require.Equal(t, jobState{State: Done, Attempt: 1, Fence: 1}, b.job(t, task))
		require.Equal(t, "processed", b.videos.of(video))
		require.Equal(t, []string{"done"}, b.outcomes(t, task))
		require.Equal(t, 2, b.files(t))
		entries, err := os.ReadDir(b.scratch.own)
		require.NoError(t, err)
		require.Len(t, entries, 1, "only the lock is left")
	})
}

func TestWorker_AStaleResultIsThrownAway(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		var b *bench
		var task uuid.UUID
		b = newBench(t, d, func(ctx context.Context, j Job, r Report) (Output, error) {
			// Meanwhile the lease ends and another worker claims the job.
			b.set(t, task, "fence = fence + 1")
			return made(context.WithoutCancel(ctx), j, r)
		})
		task, video := b.enqueue(t)

		c, ok, err := b.claim(t.Context(), task)
		require.NoError(t, err)
		require.True(t, ok)
		b.run(t.Context(), c)

		require.Equal(t, Running, b.job(t, task).State, "the other worker's claim stands")
		require.Empty(t, b.videos.of(video))
		require.Zero(t, b.files(t), "the loser removes its files")
	})
}

func TestWorker_FailuresRetryAndThenEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err      error
		states   []State // after each attempt
		video    string
		outcomes []string
	}{
		"a permanent reason ends at once": {
			err: &Failure{Reason: ReasonTruncated}, states: []State{Dead}, video: "TRUNCATED", outcomes: []string{"failed"},
		},
		"a transient one is tried three times, and the last is the reason": {
			err: &Failure{Reason: ReasonNoSpace, Err: errors.New("disk \x00full\xff")}, states: []State{Retrying, Retrying, Dead},
			video: "NO_SPACE", outcomes: []string{"failed", "failed", "failed"},
		},
		"an unknown error counts as ours": {
			err: errors.New("odd"), states: []State{Retrying, Retrying, Dead}, video: "STORAGE", outcomes: []string{"failed", "failed", "failed"},
		},
	}
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				b := newBench(t, d, func(context.Context, Job, Report) (Output, error) { return Output{}, tt.err })
				task, video := b.enqueue(t)
				for _, want := range tt.states {
					b.Handle(t.Context(), task.String())
					require.Equal(t, want, b.job(t, task).State)
					if want == Retrying {
						_, ok, err := b.claim(t.Context(), task)
						require.NoError(t, err)
						require.False(t, ok, "it rests first")
						b.makeDue(t, task)
					}
				}
				require.Equal(t, tt.video, b.videos.of(video))
				require.Equal(t, tt.outcomes, b.outcomes(t, task))
				require.Zero(t, b.files(t))
			})
		}
	})
}

func TestWorker_APanicInTheEncoderIsTheBusToCatchAndTheLeaseToEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), func(context.Context, Job, Report) (Output, error) { panic("boom") })
	task, _ := b.enqueue(t)
	require.Panics(t, func() { b.Handle(t.Context(), task.String()) })
	require.Equal(t, Running, b.job(t, task).State)
	b.expire(t, task)
	require.NoError(t, b.Sweep(t.Context()))
	require.Equal(t, Retrying, b.job(t, task).State)
}

func TestWorker_StoppingHandsTheJobBackUnburnt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		ctx, stop := context.WithCancel(t.Context())
		b := newBench(t, d, func(ctx context.Context, _ Job, _ Report) (Output, error) {
			stop()
			<-ctx.Done()
			return Output{}, ctx.Err()
		})
		task, video := b.enqueue(t)

		b.Handle(ctx, task.String())

		require.Equal(t, jobState{State: Queued, Attempt: 0, Fence: 1}, b.job(t, task))
		require.Equal(t, []string{"released"}, b.outcomes(t, task))
		require.Empty(t, b.videos.of(video))
		c, ok, err := b.claim(t.Context(), task)
		require.NoError(t, err)
		require.True(t, ok, "and it is due at once")
		require.EqualValues(t, 2, c.Fence)
		require.Equal(t, 1, c.Attempt)
	})
}

func TestWorker_CancellingStopsTheWork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		var b *bench
		var video uuid.UUID
		b = newBench(t, d, func(ctx context.Context, _ Job, _ Report) (Output, error) {
			require.NoError(t, b.client.Cancel(context.WithoutCancel(ctx), video))
			<-ctx.Done() // the next renewal finds out
			return Output{}, ctx.Err()
		})
		var task uuid.UUID
		task, video = b.enqueue(t)

		b.Handle(t.Context(), task.String())

		require.Equal(t, Cancelled, b.job(t, task).State)
		require.Equal(t, []string{"cancelled"}, b.outcomes(t, task))
		require.Empty(t, b.videos.of(video))
		require.Zero(t, b.files(t))
		require.NoError(t, b.client.Cancel(t.Context(), video), "again is nothing")
	})
}

func TestWorker_ADeletedVideoIsNotWorkedOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), func(context.Context, Job, Report) (Output, error) {
		t.Error("encoded")
		return Output{}, nil
	})
	task, video := b.enqueue(t)
	b.videos.gone[video] = true
	b.Handle(t.Context(), task.String())
	require.Equal(t, Cancelled, b.job(t, task).State)
}

func TestSweep_ReturnsTheJobsOfSilentWorkers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, video := b.enqueue(t)
		alive, _ := b.enqueue(t)
		_, _, err := b.claim(t.Context(), alive)
		require.NoError(t, err)
		for n := 1; n <= 3; n++ {
			_, ok, err := b.claim(t.Context(), task)
			require.NoError(t, err)
			require.True(t, ok)
			b.expire(t, task)
			var wg sync.WaitGroup
			for range 5 { // all workers sweep at once
				wg.Go(func() { require.NoError(t, b.Sweep(t.Context())) })
			}
			wg.Wait()
			if n < 3 {
				require.Equal(t, jobState{State: Retrying, Attempt: n, Fence: int64(n)}, b.job(t, task))
				b.makeDue(t, task)
			}
		}
		require.Equal(t, jobState{State: Dead, Attempt: 3, Fence: 3, Reason: "poison"}, b.job(t, task))
		require.Equal(t, "POISON", b.videos.of(video))
		require.Equal(t, []string{"lost", "lost", "lost"}, b.outcomes(t, task))
		require.Equal(t, Running, b.job(t, alive).State, "a living worker keeps its job")
	})
}

func TestSweep_KeepsAFewWakeUpsWhileJobsAreDue(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		b.bus.down = errors.New("redis is away")
		for range 50 {
			b.enqueue(t) // which is no error
		}
		require.Error(t, b.Sweep(t.Context()))
		b.bus.down, b.bus.sent = nil, nil

		for range 10 {
			require.NoError(t, b.Sweep(t.Context()))
		}
		require.Len(t, b.bus.sent, 2*b.Slots, "not one a row, and not more each time")

		b.bus.sent = nil
		require.NoError(t, b.DB.Write(t.Context()).Exec("DELETE FROM jobs").Error)
		require.NoError(t, b.Sweep(t.Context()))
		require.Empty(t, b.bus.sent, "nothing is due, nobody is woken")
	})
}

func TestBackoff_GrowsSpreadsAndIsCapped(t *testing.T) {
	t.Parallel()
	c := Config{RetryBase: 10 * time.Second, RetryCap: time.Minute}
	require.Equal(t, 10*time.Second, c.backoff(1, 0.5))
	require.Equal(t, 40*time.Second, c.backoff(3, 0.5))
	require.Equal(t, time.Minute, c.backoff(4, 0.5))
	require.Equal(t, time.Minute, c.backoff(1000, 0.5))
	require.Equal(t, 5*time.Second, c.backoff(1, 0))
	require.Less(t, c.backoff(1, 0.999), 15*time.Second+1)
}

func TestScratch_OnlyTheFoldersOfDeadWorkersAreSwept(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	alive, err := newScratch(root, "alive")
	require.NoError(t, err)
	dead, err := newScratch(root, "dead")
	require.NoError(t, err)
	path, _, err := dead.dir(claim{ID: uuid.New(), Fence: 1})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "half"), nil, 0o600))
	require.NoError(t, dead.lock.Close(), "as its process's end would")
	mine, err := newScratch(root, "mine")
	require.NoError(t, err)

	n, err := mine.sweep()

	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoDirExists(t, dead.own)
	require.DirExists(t, alive.own)
	require.NoError(t, alive.close())
	require.NoError(t, mine.close())
	require.NoDirExists(t, mine.own)
}

func TestJanitor_RemovesOldFilesWithoutARow(t *testing.T) {
	t.Parallel()
	s, err := storage.Open(t.Context(), storage.Config{URL: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	f := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(f, []byte("x"), 0o600))
	for _, key := range []string{"known.mp4", "orphan.mp4"} {
		require.NoError(t, storage.PutFile(t.Context(), s, f, key, "video/mp4"))
	}
	now := time.Now()
	j := Janitor{
		Places: []Place{{Store: s, Known: func(_ context.Context, keys []string) (map[string]bool, error) {
			return map[string]bool{"known.mp4": true}, nil
		}}},
		Grace: 15 * time.Minute, Now: func() time.Time { return now }, Log: discard(),
	}
	left := func() (keys []string) {
		for info, err := range s.List(t.Context(), "") {
			require.NoError(t, err)
			keys = append(keys, info.Key)
		}
		return keys
	}

	require.NoError(t, j.Clean(t.Context()))
	require.Len(t, left(), 2, "a young file may still get its row")

	now = now.Add(16 * time.Minute)
	require.NoError(t, j.Clean(t.Context()))
	require.Equal(t, []string{"known.mp4"}, left())

	j.Places[0].Known = func(context.Context, []string) (map[string]bool, error) { return nil, errors.New("database is away") }
	require.Error(t, j.Clean(t.Context()))
	require.Equal(t, []string{"known.mp4"}, left(), "without an answer nothing is removed")
}
