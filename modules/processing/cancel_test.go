package processing

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// requireCancelled wants a job and its video to have ended so.
func (s *desk) requireCancelled(t *testing.T, task, video uuid.UUID, outcomes ...string) {
	t.Helper()
	r := s.row(t, task)
	require.Equal(t, Cancelled, r.State)
	require.Equal(t, "cancelled", r.Reason)
	require.NotNil(t, r.FinishedAt)
	require.Equal(t, strings.Join(outcomes, " "), strings.Join(s.outcomes(t, task), " "))
	var code string
	require.NoError(t, s.repairs.DB.Read(t.Context()).Raw("SELECT failure_code FROM videos WHERE id = ?", video).Scan(&code).Error)
	require.Equal(t, "CANCELLED", code)
	require.Zero(t, s.files(t), "nothing is left in storage")
	entries, err := os.ReadDir(s.scratch.own)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nor in the work folder, but the lock")
	s.consistent(t)
}

func (s *desk) cancel(t *testing.T, task uuid.UUID) (stopping bool) {
	t.Helper()
	stopping, err := s.Cancel(context.WithoutCancel(t.Context()), task, bulk)
	require.NoError(t, err)
	return stopping
}

func TestCancel_EndsAWaitingJobAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, func(context.Context, Job, Report) (Output, error) { return Output{}, &Failure{Reason: ReasonKilled} })
		queued, video := s.waiting(t)
		require.False(t, s.cancel(t, queued))
		s.requireCancelled(t, queued, video)
		require.Equal(t, bulk, s.row(t, queued).OperationID)
		_, err := s.Cancel(t.Context(), queued, bulk)
		requireConflict(t, err, "La tarea está cancelada: no se puede cancelar.")

		resting, video := s.waiting(t)
		s.Handle(t.Context(), resting.String())
		require.False(t, s.cancel(t, resting))
		s.requireCancelled(t, resting, video, "failed")
	})
}

func TestCancel_EndsARunningJobHoweverItsAttemptEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]func(ctx context.Context, stop func(), j Job, r Report) (Output, error){
		"stopped by it": func(ctx context.Context, _ func(), _ Job, _ Report) (Output, error) {
			<-ctx.Done() // the next renewal finds out
			return Output{}, ctx.Err()
		},
		"done at that moment": func(ctx context.Context, _ func(), j Job, r Report) (Output, error) {
			return made(context.WithoutCancel(ctx), j, r)
		},
		"failed at that moment, for good": func(context.Context, func(), Job, Report) (Output, error) {
			return Output{}, &Failure{Reason: ReasonTruncated}
		},
		"failed at that moment, to be tried again": func(context.Context, func(), Job, Report) (Output, error) {
			return Output{}, &Failure{Reason: ReasonKilled}
		},
		"failed at that moment, for want of room": func(context.Context, func(), Job, Report) (Output, error) {
			return Output{}, &Failure{Reason: ReasonNoSpace}
		},
		"handed back at that moment": func(_ context.Context, stop func(), _ Job, _ Report) (Output, error) {
			stop()
			return Output{}, context.Canceled
		},
	}
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		var encode encoderFunc
		s := newDesk(t, d, func(ctx context.Context, j Job, r Report) (Output, error) { return encode(ctx, j, r) })
		for name, end := range tests {
			t.Run(name, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				task, video := s.waiting(t)
				encode = func(ctx context.Context, j Job, r Report) (Output, error) {
					require.True(t, s.cancel(t, task))
					require.True(t, s.cancel(t, task), "asking again is no error")
					return end(ctx, stop, j, r)
				}
				s.Handle(ctx, task.String())
				s.requireCancelled(t, task, video, "cancelled")
				require.NoError(t, s.Retry(t.Context(), task, uuid.NullUUID{}), "an operator may change their mind")
				encode = made
				s.Handle(t.Context(), task.String())
				require.Equal(t, Done, s.job(t, task).State)
				for info, err := range s.Processed.List(t.Context(), "") { // so that the next case finds none
					require.NoError(t, err)
					require.NoError(t, s.Processed.Delete(t.Context(), info.Key))
				}
			})
		}
	})
}

func TestCancel_OfAJobThatIsPublishedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.waiting(t)
		s.Handle(t.Context(), task.String())
		_, err := s.Cancel(t.Context(), task, bulk)
		require.ErrorIs(t, err, ErrJobState)
		require.Equal(t, "processed", s.status(t, video))
		s.consistent(t)
	})
}

func TestCancel_WhoseWorkerDiesIsCarriedOutByASweeper(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		for _, attempt := range []string{"0", "2"} { // the last one is left, and none
			task, video := s.waiting(t)
			s.set(t, task, "attempt = "+attempt)
			c := s.take(t, task)
			require.True(t, s.cancel(t, task))
			require.NoError(t, s.Sweep(t.Context()))
			require.Equal(t, Running, s.job(t, task).State, "its worker may be about to")
			s.expire(t, task)
			require.NoError(t, s.Sweep(t.Context()))
			s.requireCancelled(t, task, video, "lost")
			require.ErrorIs(t, s.store.renew(t.Context(), c, time.Minute, standing{}), errLost)
		}
	})
}

func TestCancel_WhoseWorkerDiesIsCarriedOutByARepair(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.waiting(t)
		s.take(t, task)
		s.cancel(t, task)
		s.expire(t, task)
		require.Equal(t, []string{
			"job " + task.String() + " of video " + video.String() + ": cancelled, as an operator wanted before its worker fell silent",
		}, s.repair(t))
		s.requireCancelled(t, task, video, "lost")
	})
}

func TestCancel_OfADeletedVideoChangesNothingMore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		var s *desk
		var task, video uuid.UUID
		s = newDesk(t, d, func(ctx context.Context, _ Job, _ Report) (Output, error) {
			require.True(t, s.cancel(t, task))
			require.NoError(t, s.client.Cancel(context.WithoutCancel(ctx), video)) // as a deletion does
			require.NoError(t, d.Write(t.Context()).Exec("DELETE FROM videos WHERE id = ?", video).Error)
			<-ctx.Done()
			return Output{}, ctx.Err()
		})
		task, video = s.waiting(t)
		s.Handle(t.Context(), task.String())
		require.Equal(t, Cancelled, s.job(t, task).State)
		require.Equal(t, []string{"cancelled"}, s.outcomes(t, task))
		require.ErrorIs(t, s.Retry(t.Context(), task, bulk), ErrVideoGone)
	})
}

func TestCancel_LeavesNoProcessBehind(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	s := newDesk(t, d, nil)
	s.Worker.Config.Heartbeat = 10 * time.Second // as configured; it says nothing, and makes no progress
	s.Inspector = inspectorFunc(func(context.Context, string) (Source, error) { return accepted(), nil })
	s.Encoder = withTools(t, `trap '' TERM; sh -c "trap '' TERM; sleep 1000" & echo $$ $! > pids; wait; sleep 1000`, nil)
	task, video := s.waiting(t)
	handled := make(chan struct{})
	go func() { defer close(handled); s.Handle(t.Context(), task.String()) }()
	var pids []string
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(s.scratch.own, "*", "encode", "pids"))
		for _, path := range found {
			text, _ := os.ReadFile(path)
			pids = strings.Fields(string(text))
		}
		return len(pids) == 2
	}, 20*time.Second, 5*time.Millisecond, "it runs, with a child")
	require.Len(t, living(pids), 2)

	began := time.Now()
	require.True(t, s.cancel(t, task))
	<-handled
	require.Less(t, time.Since(began), 8*time.Second, "a second or two until it is noticed, and one between TERM and KILL")
	require.Eventually(t, func() bool { return len(living(pids)) == 0 }, 5*time.Second, 5*time.Millisecond, "nothing of its group is alive")
	s.requireCancelled(t, task, video, "cancelled")
}

// living are those of the processes that are not dead; an orphan may stay a
// zombie until init looks after it.
func living(pids []string) (alive []string) {
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "Z") {
			alive = append(alive, pid)
		}
	}
	return alive
}
