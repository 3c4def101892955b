package processing

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

type workerRow struct {
	Host, Version, Queues, State string
	PID                          int `gorm:"column:pid"`
	Slots                        int
	StartedAt, BeatAt            database.Time
	EndedAt                      *database.Time
	CPU                          float64
	RSS                          int64
	ScratchFree                  *int64
	Done, Failed                 int64
}

// reported returns the row of a worker, false when there is none.
func (b *bench) reported(t *testing.T, id string) (r workerRow, ok bool) {
	t.Helper()
	found := b.DB.Read(t.Context()).Table("workers").Where("id = ?", id).Find(&r)
	require.NoError(t, found.Error)
	return r, found.RowsAffected == 1
}

func TestReported_TellsHowAWorkerIsUntilItEnds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		eventually := func(what string, is func(workerRow) bool) (r workerRow) {
			t.Helper()
			require.Eventually(t, func() bool {
				row, ok := b.reported(t, "w1")
				r = row
				return ok && is(row)
			}, 20*time.Second, 5*time.Millisecond, what)
			return r
		}
		failed := errors.New("it fails")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		run := func(ctx context.Context) error {
			r := eventually("at once", func(r workerRow) bool { return r.State == "online" })
			host, err := os.Hostname()
			require.NoError(t, err)
			require.Equal(t, host, r.Host)
			require.Equal(t, os.Getpid(), r.PID)
			require.Equal(t, "1.2.3", r.Version)
			require.Equal(t, "q", r.Queues)
			require.Equal(t, 2, r.Slots)
			require.Positive(t, r.RSS)
			require.Positive(t, *r.ScratchFree)
			require.Nil(t, r.EndedAt)

			task, _ := b.enqueue(t)
			b.Handle(ctx, task.String())
			eventually("again and again", func(later workerRow) bool {
				return later.Done == 1 && later.BeatAt.After(r.BeatAt.Time) && later.StartedAt.Equal(r.StartedAt.Time)
			})
			stop()
			eventually("while it finishes", func(r workerRow) bool { return r.State == "draining" && r.EndedAt == nil })
			return failed
		}
		require.ErrorIs(t, b.Reported(run)(ctx), failed)
		r, ok := b.reported(t, "w1")
		require.True(t, ok)
		require.Equal(t, "exited", r.State)
		require.NotNil(t, r.EndedAt)
		require.Zero(t, r.Failed)
	})
}

func TestReported_CountsAttemptsThatFailed(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), func(context.Context, Job, Report) (Output, error) { return Output{}, errors.New("odd") })
	task, _ := b.enqueue(t)
	b.Handle(t.Context(), task.String())
	require.NoError(t, b.Reported(func(context.Context) error { return nil })(t.Context()))
	r, _ := b.reported(t, "w1")
	require.EqualValues(t, 1, r.Failed)
	require.Zero(t, r.Done)
	require.Equal(t, "exited", r.State)
}

func TestReported_RunsWithoutADatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	b := newBench(t, d, nil)
	require.NoError(t, d.Close())
	ran := false
	require.NoError(t, b.Reported(func(context.Context) error { ran = true; return nil })(t.Context()))
	require.True(t, ran)
}

func TestForgetWorkers_RemovesThoseSilentForAWeek(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		for id, age := range map[string]time.Duration{"exited long ago": 8 * 24 * time.Hour, "w1": 6 * 24 * time.Hour} {
			require.NoError(t, b.store.reportWorker(t.Context(), workerReport{ID: id, State: workerExited}))
			at := database.At(time.Now().Add(-age))
			require.NoError(t, d.Write(t.Context()).Exec("UPDATE workers SET beat_at = ?, ended_at = ? WHERE id = ?", at, at, id).Error)
		}
		require.NoError(t, b.store.reportWorker(t.Context(), workerReport{ID: "alive", State: workerOnline}))
		require.NoError(t, b.ForgetWorkers(t.Context()))
		var left []string
		require.NoError(t, d.Read(t.Context()).Table("workers").Order("id").Pluck("id", &left).Error)
		require.Equal(t, []string{"alive", "w1"}, left)
	})
}
