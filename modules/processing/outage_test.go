package processing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/storage"
)

// hung is a storage that takes requests and never answers.
type hung struct{ storage.Store }

func (hung) Fetch(context.Context, string, string) (string, error) {
	return "", fmt.Errorf("fetch: %w", context.DeadlineExceeded)
}

func (hung) Check(context.Context) error { return context.DeadlineExceeded }

// outages are failures of ours, each with how it begins.
var outages = map[string]struct {
	begin  func(*testing.T, *bench)
	encode error // if the rest works
	reason string
}{
	"the work folder is full":    {encode: &os.PathError{Op: "write", Path: "body.mp4", Err: syscall.ENOSPC}, reason: "no_space"},
	"ffmpeg finds no room":       {encode: &Failure{Reason: ReasonNoSpace, ExitCode: 1, Err: errors.New("No space left on device")}, reason: "no_space"},
	"the published store is":     {begin: func(_ *testing.T, b *bench) { b.Processed = fullStore{b.Processed} }, reason: "no_space"},
	"the storage does not reply": {begin: func(_ *testing.T, b *bench) { b.Originals = hung{b.Originals} }, reason: "storage"},
	"the storage is closed":      {begin: func(t *testing.T, b *bench) { b.Originals = closed(t) }, reason: "storage"},
	"ffmpeg cannot read it, and nobody can": {
		begin:  func(_ *testing.T, b *bench) { b.Originals = sick{b.Originals} },
		encode: &Failure{Reason: ReasonStorage, ExitCode: 1, Err: errors.New("Input/output error")}, reason: "storage",
	},
	"the work folder has gone": {
		begin: func(t *testing.T, b *bench) {
			require.NoError(t, os.RemoveAll(b.scratch.own))
			require.NoError(t, os.WriteFile(b.scratch.own, nil, 0o600))
		},
		reason: "storage",
	},
}

func closed(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Config{URL: t.TempDir()})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return s
}

type fullStore struct{ storage.Store }

func (fullStore) Stage(context.Context) (*storage.Staged, error) { return nil, storage.ErrFull }

// sick is a storage whose files can be opened, and not read.
type sick struct{ storage.Store }

func (sick) Check(context.Context) error { return syscall.EIO }

// age makes all jobs as old as d.
func (b *bench) age(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context()).Exec("UPDATE jobs SET created_at = ?", database.At(time.Now().Add(-d))).Error)
}

func TestWorker_AnOutageOfOursBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		for name, tt := range outages {
			t.Run(name, func(t *testing.T) {
				broken := true
				b := newBench(t, d, func(ctx context.Context, j Job, r Report) (Output, error) {
					if broken && tt.encode != nil {
						return Output{}, failure("encode", tt.encode, ReasonEncoderFailed)
					}
					return made(ctx, j, r)
				})
				originals, processed := b.Originals, b.Processed
				if tt.begin != nil {
					tt.begin(t, b)
				}
				task, video := b.enqueue(t)
				for n := range 5 { // more than its attempts
					b.Handle(t.Context(), task.String())
					require.Equal(t, jobState{State: Retrying, Attempt: 0, Fence: int64(n) + 1, Reason: tt.reason}, b.job(t, task))
					_, ok, err := b.claim(t.Context(), task)
					require.NoError(t, err)
					require.False(t, ok, "it rests first")
					b.makeDue(t, task)
				}
				require.Empty(t, b.videos.of(video))
				require.Equal(t, "postponed", b.outcomes(t, task)[4])
				broken, b.Originals, b.Processed = false, originals, processed
				if info, err := os.Stat(b.scratch.own); err == nil && !info.IsDir() {
					require.NoError(t, os.Remove(b.scratch.own))
				}
				b.Handle(t.Context(), task.String())
				require.Equal(t, Done, b.job(t, task).State, "as soon as it is over")
				require.Equal(t, "processed", b.videos.of(video))
			})
		}
	})
}

// stalling takes one object and then neither more nor a deletion.
type stalling struct {
	storage.Store
	taken *int
}

func (s stalling) Stage(ctx context.Context) (*storage.Staged, error) {
	if *s.taken++; *s.taken > 1 {
		return nil, fmt.Errorf("stage: %w", context.DeadlineExceeded)
	}
	return s.Store.Stage(ctx)
}

func (stalling) Delete(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestWorker_AStorageThatHangsDoesNotKeepTheOutageFromBeingRecorded(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	b.Processed = stalling{b.Processed, new(int)}
	task, _ := b.enqueue(t)
	b.Handle(t.Context(), task.String())
	require.Equal(t, jobState{State: Retrying, Attempt: 0, Fence: 1, Reason: "storage"}, b.job(t, task))
}

func TestWorker_AnOutageCountsOnceTheJobIsADayOld(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, func(context.Context, Job, Report) (Output, error) {
			return Output{}, &Failure{Reason: ReasonNoSpace}
		})
		task, video := b.enqueue(t)
		b.age(t, outagePatience-time.Minute)
		b.Handle(t.Context(), task.String())
		require.Zero(t, b.job(t, task).Attempt)
		b.age(t, outagePatience+time.Minute)
		for range 3 {
			require.NotEqual(t, Dead, b.job(t, task).State)
			b.makeDue(t, task)
			b.Handle(t.Context(), task.String())
		}
		require.Equal(t, jobState{State: Dead, Attempt: 3, Fence: 4, Reason: "no_space"}, b.job(t, task))
		require.Equal(t, "NO_SPACE", b.videos.of(video))
		require.Equal(t, []string{"postponed", "failed", "failed", "failed"}, b.outcomes(t, task))
	})
}

func TestWorker_AnOriginalThatDoesNotExistIsNoOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	require.NoError(t, b.Originals.Delete(t.Context(), "original.mp4"))
	task, video := b.enqueue(t)
	for range 3 {
		b.makeDue(t, task)
		b.Handle(t.Context(), task.String())
	}
	require.Equal(t, Dead, b.job(t, task).State)
	require.Equal(t, "STORAGE", b.videos.of(video))
}

func TestWorker_CancelledWhileItsAttemptFailsStaysCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	task, video := b.enqueue(t)
	c, ok, err := b.claim(t.Context(), task)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, b.client.Cancel(t.Context(), video))
	e := ending{claim: c, made: product{said: &tail{}}, log: discard()}
	err = b.fail(t.Context(), e, &Failure{Reason: ReasonNoSpace})
	require.ErrorIs(t, err, errLost)
	require.Equal(t, Cancelled, b.job(t, task).State)
}

func TestWorker_TellsTheRoomOfItsScratchFolder(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	free, known, err := b.Free(t.Context())
	require.NoError(t, err)
	require.True(t, known)
	require.Positive(t, free)
	lost, err := newScratch(filepath.Join(t.TempDir(), "x"), "w")
	require.NoError(t, err)
	require.NoError(t, lost.close())
	_, known, err = (&Worker{scratch: lost}).Free(t.Context())
	require.Error(t, err)
	require.False(t, known)
}
