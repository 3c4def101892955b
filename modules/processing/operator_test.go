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
	"anb/modules/videos"
	"anb/platform/audit"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/storage"
)

// desk is a worker's bench with the videos of the real module, and an operator.
type desk struct {
	repairs
	*Operator
}

func newDesk(t *testing.T, d *database.DB, encode encoderFunc) *desk {
	t.Helper()
	catalog := videos.NewCatalog(d, cache.New(time.Second, 1, time.Now), time.Now)
	s := &desk{repairs: repairs{newBench(t, d, encode), withVideos(t, d)}}
	s.Worker.Videos = catalog
	var err error
	s.Operator, err = NewOperator(OperatorDeps{
		DB: d, Videos: catalog, Bus: s.bus, Config: s.Worker.Config, Now: time.Now, Log: discard(),
	})
	require.NoError(t, err)
	return s
}

// waiting adds a video with its original, and its job.
func (s *desk) waiting(t *testing.T) (task, video uuid.UUID) {
	t.Helper()
	video = s.video()
	clip := filepath.Join(t.TempDir(), "clip")
	require.NoError(t, os.WriteFile(clip, []byte("a clip"), 0o600))
	require.NoError(t, storage.PutFile(t.Context(), s.Originals, clip, video.String(), "video/mp4"))
	task, err := s.client.Enqueue(t.Context(), video)
	require.NoError(t, err)
	return task, video
}

// ended adds a video and its job that ended so, without an attempt.
func (s *desk) ended(t *testing.T, state State) (task, video uuid.UUID) {
	t.Helper()
	task, video = s.waiting(t)
	s.set(t, task, "attempt = 3, progress = 40, stage = 'encode', reason = 'killed', fingerprint = 'killed: x', finished_at = created_at, progressed_at = created_at, state = '"+string(state)+"'")
	s.finish(t, video, map[State]string{Dead: "failed", Cancelled: "failed", Done: "processed"}[state])
	return task, video
}

// consistent fails the test when something contradicts itself.
func (s *desk) consistent(t *testing.T) {
	t.Helper()
	require.NoError(t, Audit(t.Context(), s.repairs.DB, time.Now(), func(f audit.Finding) { t.Error("found:", f) }))
}

func (s *desk) take(t *testing.T, hint uuid.UUID) claim {
	t.Helper()
	c, ok, err := s.claim(t.Context(), hint)
	require.NoError(t, err)
	require.True(t, ok)
	return c
}

// bulk is an operation that orders are part of.
var bulk = uuid.NullUUID{UUID: uuid.New(), Valid: true}

// wholeRow is all of a job that operators change.
type wholeRow struct {
	State           State
	Attempt         int
	Stage           string
	Progress        float64
	Reason          string
	Fingerprint     string
	CancelRequested bool
	FinishedAt      *database.Time
	DiscardedAt     *database.Time
	ProgressedAt    *database.Time
	OperationID     uuid.NullUUID
}

func (s *desk) row(t *testing.T, id uuid.UUID) (r wholeRow) {
	t.Helper()
	require.NoError(t, s.repairs.DB.Read(t.Context()).Table("jobs").Where("id = ?", id).Take(&r).Error)
	return r
}

// requireConflict wants the fault to name the state.
func requireConflict(t *testing.T, err error, message string) {
	t.Helper()
	require.ErrorIs(t, err, ErrJobState)
	f, _ := errors.AsType[*fault.Error](err)
	require.Equal(t, message, f.Message)
}

func TestNewOperator_RefusesMissingDependencies(t *testing.T) {
	t.Parallel()
	_, err := NewOperator(OperatorDeps{})
	require.Error(t, err)
}

func TestOperator_RefusesWhatTheStateOfAJobForbids(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		ctx := t.Context()
		require.ErrorIs(t, s.Retry(ctx, uuid.New(), bulk), ErrJobNotFound)
		require.ErrorIs(t, s.Discard(ctx, uuid.New(), bulk), ErrJobNotFound)
		_, err := s.Cancel(ctx, uuid.New(), bulk)
		require.ErrorIs(t, err, ErrJobNotFound)

		queued, _ := s.waiting(t)
		requireConflict(t, s.Retry(ctx, queued, bulk), "La tarea está en cola: no se puede reintentar.")
		requireConflict(t, s.Discard(ctx, queued, bulk), "La tarea está en cola: no se puede descartar.")
		s.take(t, queued)
		requireConflict(t, s.Retry(ctx, queued, bulk), "La tarea está en ejecución: no se puede reintentar.")
		done, _ := s.ended(t, Done)
		requireConflict(t, s.Retry(ctx, done, bulk), "La tarea está terminada: no se puede reintentar.")
		_, err = s.Cancel(ctx, done, bulk)
		requireConflict(t, err, "La tarea está terminada: no se puede cancelar.")
		dead, _ := s.ended(t, Dead)
		_, err = s.Cancel(ctx, dead, bulk)
		requireConflict(t, err, "La tarea está fallida: no se puede cancelar.")
		require.NoError(t, s.Discard(ctx, dead, bulk))
		requireConflict(t, s.Discard(ctx, dead, bulk), "La tarea está fallida y descartada: no se puede descartar.")

		gone, video := s.ended(t, Dead)
		require.NoError(t, d.Write(ctx).Exec("DELETE FROM videos WHERE id = ?", video).Error)
		require.ErrorIs(t, s.Retry(ctx, gone, bulk), ErrVideoGone)
		_, err = s.Submit(ctx, video)
		require.ErrorIs(t, err, ErrVideoGone)
		require.Equal(t, Dead, s.row(t, gone).State)
		require.False(t, s.row(t, gone).OperationID.Valid, "a refused order leaves no trace")
		s.consistent(t)
	})
}

func TestOperator_RefusesAJobWhoseVideoHasAnotherWay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		ctx := t.Context()
		old, video := s.ended(t, Dead)
		job, err := s.Submit(ctx, video)
		require.NoError(t, err)
		require.Equal(t, "uploaded", s.status(t, video))
		requireConflict(t, s.Retry(ctx, old, bulk), "Otra tarea ya procesa el video.")
		_, err = s.Submit(ctx, video)
		requireConflict(t, err, "Otra tarea ya procesa el video.")
		s.Handle(ctx, job.String())
		require.Equal(t, Done, s.job(t, job).State)
		requireConflict(t, s.Retry(ctx, old, bulk), "El video ya está publicado.")
		_, err = s.Submit(ctx, video)
		requireConflict(t, err, "El video ya está publicado.")
		require.Equal(t, "processed", s.status(t, video))
		s.consistent(t)
	})
}

func TestRetry_MakesAnEndedJobNew(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		for _, state := range []State{Dead, Cancelled} {
			task, video := s.ended(t, state)
			if state == Dead {
				require.NoError(t, s.Discard(t.Context(), task, uuid.NullUUID{}))
			}
			s.set(t, task, map[database.Dialect]string{database.Postgres: "cancel_requested = true", database.SQLite: "cancel_requested = 1"}[d.Dialect()])
			s.bus.sent = nil
			require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
				require.NoError(t, s.Retry(ctx, task, bulk))
				require.Empty(t, s.bus.sent, "nobody is woken before it is there")
				return nil
			}))
			require.Equal(t, []string{task.String()}, s.bus.sent)
			require.Equal(t, wholeRow{State: Queued, OperationID: bulk}, s.row(t, task))
			require.Equal(t, "uploaded", s.status(t, video))
			s.consistent(t)
			s.Handle(t.Context(), task.String())
			require.Equal(t, Done, s.job(t, task).State, "it is due at once")
			require.Equal(t, "processed", s.status(t, video))
		}
	})
}

func TestRetry_IsUndoneWithItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.ended(t, Dead)
		before, other := s.row(t, task), errors.New("the audit's row could not be written")
		s.bus.sent = nil
		require.ErrorIs(t, d.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, s.Retry(ctx, task, bulk))
			return other
		}), other)
		require.Equal(t, before, s.row(t, task))
		require.Equal(t, "failed", s.status(t, video))
		require.Empty(t, s.bus.sent)
	})
}

func TestRetry_OfARestingJobMakesItDue(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, func(context.Context, Job, Report) (Output, error) { return Output{}, &Failure{Reason: ReasonKilled} })
		task, _ := s.waiting(t)
		s.Handle(t.Context(), task.String())
		require.Equal(t, Retrying, s.job(t, task).State)
		_, ok, err := s.claim(t.Context(), task)
		require.NoError(t, err)
		require.False(t, ok)
		s.bus.down = errors.New("redis is away") // which is no error
		require.NoError(t, s.Retry(t.Context(), task, bulk))
		require.Equal(t, 2, s.take(t, task).Attempt, "its attempts still count")
	})
}

func TestRetry_OfManyAtOnceGivesAVideoOneActiveJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.ended(t, Dead)
		var mu sync.Mutex
		var done, refused int
		var wg sync.WaitGroup
		for n := range 12 {
			wg.Go(func() {
				var err error
				if n%2 == 0 {
					_, err = s.Submit(t.Context(), video)
				} else {
					err = s.Retry(t.Context(), task, bulk)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case errors.Is(err, ErrJobState):
					refused++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, done)
		require.Equal(t, 11, refused)
		var n int64
		require.NoError(t, d.Read(t.Context()).Table("jobs").Where("video_id = ? AND state = 'queued'", video).Count(&n).Error)
		require.EqualValues(t, 1, n)
		s.consistent(t)
	})
}

func TestDiscard_TakesAJobOffTheList(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		task, video := s.ended(t, Dead)
		require.NoError(t, s.Discard(t.Context(), task, bulk))
		r := s.row(t, task)
		require.Equal(t, Dead, r.State)
		require.NotNil(t, r.DiscardedAt)
		require.Equal(t, bulk, r.OperationID)
		require.Equal(t, "failed", s.status(t, video))
	})
}

func TestSubmit_GivesAFailedVideoAnotherJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		s := newDesk(t, d, nil)
		_, video := s.ended(t, Dead)
		s.bus.sent = nil
		job, err := s.Submit(t.Context(), video)
		require.NoError(t, err)
		require.Equal(t, []string{job.String()}, s.bus.sent)
		require.Equal(t, jobState{State: Queued}, s.job(t, job))
		require.Equal(t, "uploaded", s.status(t, video))
		s.consistent(t)
	})
}
