package processing

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
)

// rows keeps what becomes of videos where the real module does.
type rows struct {
	*fakeVideos
	db *database.DB
}

func (r rows) Fail(ctx context.Context, id uuid.UUID, code string) error {
	return r.db.Write(ctx).Exec("UPDATE videos SET status = 'failed', failure_code = ? WHERE id = ? AND status IN ('uploaded', 'processing')", code, id).Error
}

// repairs is a worker's bench with videos of which there are rows.
type repairs struct {
	*bench
	video func() uuid.UUID
}

func newRepairs(t *testing.T, d *database.DB) repairs {
	t.Helper()
	return repairs{newBench(t, d, nil), withVideos(t, d)}
}

func (r repairs) Repairer() Repairer {
	return Repairer{DB: r.DB, Videos: rows{r.videos, r.DB}, Config: r.Config, Now: time.Now, Log: discard()}
}

func (r repairs) repair(t *testing.T) (done []string) {
	t.Helper()
	require.NoError(t, r.Repairer().Repair(t.Context(), func(f audit.Finding) { done = append(done, f.String()) }))
	require.NoError(t, Audit(t.Context(), r.DB, time.Now(), func(f audit.Finding) { t.Error("remains:", f) }))
	return done
}

// waiting adds a video and its job.
func (r repairs) waiting(t *testing.T) (task, video uuid.UUID) {
	t.Helper()
	video = r.video()
	task, err := r.client.Enqueue(t.Context(), video)
	require.NoError(t, err)
	return task, video
}

func (r repairs) status(t *testing.T, video uuid.UUID) (status string) {
	t.Helper()
	require.NoError(t, r.DB.Read(t.Context()).Raw("SELECT status FROM videos WHERE id = ?", video).Scan(&status).Error)
	return status
}

func (r repairs) finish(t *testing.T, video uuid.UUID, status string) {
	t.Helper()
	set := map[string]string{
		"processed": "status = 'processed', processed_at = uploaded_at, processed_key = original_key || 'v', thumbnail_key = original_key || 't'",
		"failed":    "status = 'failed', failure_code = 'TIMEOUT'",
	}[status]
	require.NoError(t, r.DB.Write(t.Context()).Exec("UPDATE videos SET "+set+" WHERE id = ?", video).Error)
}

func TestRepair_GivesAWaitingVideoAJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		r := newRepairs(t, d)
		never := r.video()
		task, lost := r.waiting(t)
		r.set(t, task, "state = 'dead'")
		r.waiting(t) // is well
		require.ElementsMatch(t, []string{
			"job of video " + never.String() + ": video has a job again", "job of video " + lost.String() + ": video has a job again",
		}, r.repair(t))
		require.Empty(t, r.repair(t))
		for range 3 {
			r.Handle(t.Context(), "")
		}
		require.Equal(t, "processed", r.videos.of(never))
		require.Equal(t, "processed", r.videos.of(lost))
	})
}

func TestRepair_TakesJobsFromDeadWorkers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		r := newRepairs(t, d)
		first, _ := r.waiting(t)
		last, video := r.waiting(t)
		alive, _ := r.waiting(t)
		r.set(t, last, "attempt = 2")
		for _, task := range []uuid.UUID{first, last, alive} {
			_, ok, err := r.claim(t.Context(), task)
			require.NoError(t, err)
			require.True(t, ok)
		}
		r.expire(t, first)
		r.expire(t, last)
		require.Len(t, r.repair(t), 2)
		require.Equal(t, Retrying, r.job(t, first).State)
		require.Equal(t, jobState{State: Dead, Attempt: 3, Fence: 1, Reason: "poison"}, r.job(t, last))
		require.Equal(t, "failed", r.status(t, video))
		require.Equal(t, Running, r.job(t, alive).State, "a living worker keeps its job")
		require.Empty(t, r.repair(t))
	})
}

func TestRepair_CancelsJobsOfFinishedVideos(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		r := newRepairs(t, d)
		for _, status := range []string{"failed", "processed"} {
			for _, claimed := range []bool{false, true} {
				task, video := r.waiting(t)
				if claimed {
					_, ok, err := r.claim(t.Context(), task)
					require.NoError(t, err)
					require.True(t, ok)
				}
				r.finish(t, video, status)
				if status == "processed" { // another job made it
					require.NoError(t, d.Write(t.Context()).Exec(`INSERT INTO jobs (id, video_id, queue, state, max_attempts, run_after, created_at)
						SELECT ?, video_id, queue, 'done', 3, run_after, created_at FROM jobs WHERE id = ?`, uuid.New(), task).Error)
				}
				require.Equal(t, []string{"job " + task.String() + " of video " + video.String() + ": cancelled, as its video is finished"}, r.repair(t))
				require.Equal(t, Cancelled, r.job(t, task).State)
				require.Equal(t, status, r.status(t, video))
				if claimed {
					require.Equal(t, []string{"cancelled"}, r.outcomes(t, task))
				}
			}
		}
	})
}

func TestRepair_LooksAgainBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		r := newRepairs(t, d)
		task, video := r.waiting(t)
		finished := r.video()
		r.finish(t, finished, "failed")
		tx := func(f func(context.Context, uuid.UUID) (bool, error), id uuid.UUID) (mended bool, err error) {
			err = d.InTx(t.Context(), func(ctx context.Context) (err error) {
				mended, err = f(ctx, id)
				return err
			})
			return mended, err
		}
		_, err := tx(r.Repairer().cancelFinished, video)
		require.ErrorIs(t, err, errHolds, "the video is not finished")
		require.Equal(t, Queued, r.job(t, task).State)
		for name, id := range map[string]uuid.UUID{"has a job": video, "is finished": finished, "is gone": uuid.New()} {
			mended, err := tx(r.Repairer().enqueueWaiting, id)
			require.NoError(t, err, name)
			require.False(t, mended, name)
		}
	})
}

func TestRepair_OfSeveralAtOnceGivesEachVideoOneJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		r := newRepairs(t, d)
		const videos = 20
		for range videos {
			r.video()
		}
		var mu sync.Mutex
		done := 0
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				err := r.Repairer().Repair(t.Context(), func(audit.Finding) {
					mu.Lock()
					defer mu.Unlock()
					done++
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, videos, done)
		require.Empty(t, r.repair(t))
	})
}

func TestRepair_SaysWhenItCouldNot(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	require.NoError(t, d.Close())
	require.Error(t, Repairer{DB: d, Log: discard()}.Repair(t.Context(), func(f audit.Finding) { t.Error("repaired", f) }))
}
