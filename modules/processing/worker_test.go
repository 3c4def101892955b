package processing

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

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
		var attempt struct {
			DecodeErrors int
			Codec        string
		}
		require.NoError(t, b.DB.Read(t.Context()).Table("job_attempts").Where("job_id = ?", task).Take(&attempt).Error)
		require.Equal(t, 3, attempt.DecodeErrors)
		require.Equal(t, software, attempt.Codec)
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
			err: &Failure{Reason: ReasonKilled, Err: errors.New("out \x00of memory\xff")}, states: []State{Retrying, Retrying, Dead},
			video: "KILLED", outcomes: []string{"failed", "failed", "failed"},
		},
		"a damaged file about which ffmpeg complains as about a disk": {
			err: &Failure{Reason: ReasonStorage, ExitCode: 1, Err: errors.New("Input/output error")}, states: []State{Retrying, Retrying, Dead},
			video: "STORAGE", outcomes: []string{"failed", "failed", "failed"},
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

func TestWorker_APanicInTheEncoderFailsTheAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), func(context.Context, Job, Report) (Output, error) { panic("boom") })
	task, _ := b.enqueue(t)
	b.Handle(t.Context(), task.String())
	require.Equal(t, Retrying, b.job(t, task).State)
	require.Equal(t, []string{"failed"}, b.outcomes(t, task))
	require.Zero(t, b.files(t))
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
