package processing

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// speed returns that of a job.
func (b *bench) speed(t *testing.T, id uuid.UUID) (speed float64) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("jobs").Select("speed").Where("id = ?", id).Scan(&speed).Error)
	return speed
}

func TestPulse_TellsTheEncodersSpeedWhileTheJobRuns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		end  func(context.Context, *bench, uuid.UUID) error // of the encoder
		want State
	}{
		"until it is done":      {func(context.Context, *bench, uuid.UUID) error { return nil }, Done},
		"until it fails":        {func(context.Context, *bench, uuid.UUID) error { return errors.New("odd") }, Retrying},
		"until it is cancelled": {func(ctx context.Context, b *bench, video uuid.UUID) error { return b.client.Cancel(ctx, video) }, Cancelled},
	}
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				var b *bench
				var task, video uuid.UUID
				b = newBench(t, d, func(ctx context.Context, j Job, report Report) (Output, error) {
					report(StageEncode, 40, 2.5)
					require.Eventually(t, func() bool { return b.speed(t, task) == 2.5 }, 20*time.Second, 5*time.Millisecond)
					if err := tt.end(ctx, b, video); err != nil {
						return Output{}, err
					}
					return made(ctx, j, report)
				})
				task, video = b.enqueue(t)
				b.Handle(t.Context(), task.String())
				require.Equal(t, tt.want, b.job(t, task).State)
				require.Zero(t, b.speed(t, task))
			})
		}
	})
}

func TestPulse_WritesDownWhichStagesAnAttemptEntered(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, func(ctx context.Context, j Job, report Report) (Output, error) {
			out, err := made(ctx, j, report)
			report(StageJoin, 90, 0)
			report(StageJoin, 91, 0)
			report(StageCheck, 95, 0)
			return out, err
		})
		id, _ := b.enqueue(t)
		b.Handle(t.Context(), id.String())
		var stages string
		require.NoError(t, d.Read(t.Context()).Raw("SELECT stages FROM job_attempts WHERE job_id = ?", id).Scan(&stages).Error)
		require.Regexp(t, `^probe 0,encode \d+,join \d+,check \d+,publish \d+$`, stages)
	})
}
