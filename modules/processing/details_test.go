package processing

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func (b *bench) column(t *testing.T, query string, args ...any) (text string) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Raw(query, args...).Scan(&text).Error)
	return text
}

func (b *bench) commands(t *testing.T, task uuid.UUID) string {
	t.Helper()
	return b.column(t, "SELECT commands FROM job_attempts WHERE job_id = ?", task)
}

func TestWorker_WritesDownTheCommandsOfAnAttemptHoweverItEnds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		for name, end := range map[string]func(context.Context, Job, Report) (Output, error){
			"done":   made,
			"failed": func(context.Context, Job, Report) (Output, error) { return Output{}, errors.New("odd") },
		} {
			var b *bench
			var task uuid.UUID
			b = newBench(t, d, func(ctx context.Context, j Job, r Report) (Output, error) {
				j.OnCommand("ffmpeg -i 'a b'")
				require.Eventually(t, func() bool { return b.commands(t, task) == "ffmpeg -i 'a b'" }, patience, 5*time.Millisecond, "while it runs")
				j.OnCommand("ffmpeg -y")
				return end(ctx, j, r)
			})
			task, _ = b.enqueue(t)
			b.Handle(t.Context(), task.String())
			require.Equal(t, "ffmpeg -i 'a b'\nffmpeg -y", b.commands(t, task), name)
		}
	})
}

func TestEncode_TellsItsCommands(t *testing.T) {
	t.Parallel()
	var lines []string
	var ends []error
	e := withTools(t, "exit 7", nil)
	_, err := e.Encode(t.Context(), Job{
		Path: "/srv/it's mine.mp4", Source: accepted(), Dir: t.TempDir(),
		OnCommand: func(l string) { lines = append(lines, l) }, OnExit: func(err error) { ends = append(ends, err) },
	}, nil)
	requireReason(t, ReasonEncoderFailed, err)
	require.Len(t, lines, 1)
	require.Regexp(t, `^/\S+ -hide_banner -nostdin -nostats -v error -progress pipe:1 .*'file:/srv/it'\\''s mine\.mp4' `, lines[0])
	require.Len(t, ends, 1)
	require.ErrorContains(t, ends[0], "exit code 7")
}

func TestWorker_NamesTheFailureThatEndsAJob(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, func(_ context.Context, j Job, _ Report) (Output, error) {
			j.OnLine("a warning about something else")
			return Output{}, &Failure{Reason: ReasonEncoderFailed, ExitCode: 183, Tail: "[mov @ 0x1] moov atom not found\n", Err: errors.New("x")}
		})
		task, _ := b.enqueue(t)
		fingerprint := func() string { return b.column(t, "SELECT fingerprint FROM jobs WHERE id = ?", task) }
		for range 3 {
			require.Empty(t, fingerprint())
			b.makeDue(t, task)
			b.Handle(t.Context(), task.String())
		}
		require.Equal(t, Dead, b.job(t, task).State)
		require.Equal(t, "encoder_failed exit 183: moov atom not found", fingerprint())

		lost, _ := b.enqueue(t)
		b.set(t, lost, "attempt = 2")
		_, ok, err := b.claim(t.Context(), lost)
		require.NoError(t, err)
		require.True(t, ok)
		b.expire(t, lost)
		require.NoError(t, b.Sweep(t.Context()))
		require.Equal(t, "poison", b.column(t, "SELECT fingerprint FROM jobs WHERE id = ?", lost))
	})
}

func TestRenew_TellsWhenAJobLastMadeProgress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, _ := b.enqueue(t)
		progressed := func() time.Time {
			var r struct{ ProgressedAt *database.Time }
			require.NoError(t, d.Read(t.Context()).Table("jobs").Where("id = ?", task).Take(&r).Error)
			if r.ProgressedAt == nil {
				return time.Time{}
			}
			return r.ProgressedAt.Time
		}
		require.Zero(t, progressed())
		c, ok, err := b.claim(t.Context(), task)
		require.NoError(t, err)
		require.True(t, ok)
		require.NotZero(t, progressed(), "a claim is progress")
		long := database.At(time.Now().Add(-time.Hour))
		for _, at := range []struct {
			standing
			progress bool
		}{
			{standing{StageProbe, 0, 0}, false}, {standing{StageEncode, 0, 0}, true}, {standing{StageEncode, 0.5, 1}, true}, {standing{StageEncode, 0.5, 2}, false},
		} {
			require.NoError(t, d.Write(t.Context()).Exec("UPDATE jobs SET progressed_at = ?", long).Error)
			require.NoError(t, b.store.renew(t.Context(), c, time.Minute, at.standing))
			require.Equal(t, at.progress, !progressed().Equal(long.Time), at)
		}
	})
}

func TestWorker_MeasuresWhatAnOlderVersionTook(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	b.Inspector = inspectorFunc(func(context.Context, string) (Source, error) {
		return Source{Duration: 40 * time.Second, Width: 1080, Height: 1920, Codec: "hevc", Rotation: 90}, nil
	})
	task, video := b.enqueue(t)
	b.Handle(t.Context(), task.String())
	require.Equal(t, Measured{Duration: 40 * time.Second, Width: 1080, Height: 1920, Codec: "hevc"}, b.videos.measured[video])
}

func TestClaim_IgnoresAHintOfAQueueThatTheWorkerDoesNotServe(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, _ := b.enqueue(t)
		b.set(t, task, "queue = 'other'")
		_, ok, err := b.claim(t.Context(), task)
		require.NoError(t, err)
		require.False(t, ok)
	})
}

func TestPublish_TellsHowLongAndLargeTheVideoIs(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	s := newDesk(t, d, func(ctx context.Context, j Job, r Report) (Output, error) {
		out, err := made(ctx, j, r)
		out.Duration, out.Width, out.Height = 35*time.Second, 1280, 720
		return out, err
	})
	task, video := s.waiting(t)
	s.Handle(t.Context(), task.String())
	require.Equal(t, "35000 1280 720", strings.TrimSpace(s.column(t, "SELECT processed_ms || ' ' || processed_width || ' ' || processed_height FROM videos WHERE id = ?", video)))
}
