package processing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/ffmpeg"
)

// metrics is what a scrape gives of jobs.
func (b *bench) metrics(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	b.scrape.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func (b *bench) requireMetrics(t *testing.T, lines ...string) {
	t.Helper()
	text := b.metrics(t)
	for _, l := range lines {
		require.Regexp(t, "(?m)^"+regexp.QuoteMeta(l)+"$", text)
	}
}

func TestMetrics_AreZeroAtTheStart(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	b.requireMetrics(t,
		`anb_jobs_total{kind="process",outcome="done",queue="q"} 0`,
		`anb_jobs_total{kind="process",outcome="dead",queue="q"} 0`,
		`anb_jobs_total{kind="process",outcome="cancelled",queue="q"} 0`,
		`anb_job_retries_total{kind="process",queue="q"} 0`,
		`anb_job_wait_seconds_count{kind="process",queue="q"} 0`,
		`anb_job_wait_seconds_bucket{kind="process",queue="q",le="0.1"} 0`,
		`anb_job_run_seconds_bucket{kind="process",queue="q",le="7200"} 0`,
		`anb_video_seconds_total{queue="q"} 0`,
		`anb_job_realtime_ratio{queue="q"} 0`,
		`anb_ffmpeg_exits_total{code_class="ok"} 0`,
		`anb_ffmpeg_exits_total{code_class="error"} 0`,
		`anb_ffmpeg_exits_total{code_class="signal"} 0`,
		`anb_ffmpeg_exits_total{code_class="stopped"} 0`,
	)
}

func TestMetrics_OfTwoWorkersInOneProcessAreAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	_, err := NewWorker(b.WorkerDeps)
	var taken prometheus.AlreadyRegisteredError
	require.ErrorAs(t, err, &taken)
}

func TestMetrics_FollowJobsToTheirEnds(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	var encode encoderFunc
	s := newDesk(t, d, func(ctx context.Context, j Job, r Report) (Output, error) { return encode(ctx, j, r) })
	handle := func(task uuid.UUID, e encoderFunc) {
		t.Helper()
		encode = e
		s.makeDue(t, task)
		s.Handle(t.Context(), task.String())
	}
	fails := func(r Reason) encoderFunc {
		return func(context.Context, Job, Report) (Output, error) { return Output{}, &Failure{Reason: r} }
	}
	done, _ := s.waiting(t)
	made := func(ctx context.Context, j Job, r Report) (Output, error) {
		out, err := made(ctx, j, r)
		out.Duration = 35 * time.Second
		j.OnExit(nil)
		j.OnExit(&ffmpeg.ExitError{Code: 1})
		j.OnExit(&ffmpeg.ExitError{Signal: syscall.SIGSEGV})
		j.OnExit(context.Canceled)
		j.OnExit(errors.New("could not start"))
		return out, err
	}
	handle(done, fails(ReasonKilled))
	handle(done, fails(ReasonNoSpace))
	handle(done, made)
	dead, _ := s.waiting(t)
	handle(dead, fails(ReasonTruncated))
	cancelled, _ := s.waiting(t)
	handle(cancelled, func(ctx context.Context, _ Job, _ Report) (Output, error) {
		s.cancel(t, cancelled)
		<-ctx.Done()
		return Output{}, ctx.Err()
	})
	lost, _ := s.waiting(t)
	s.take(t, lost)
	s.expire(t, lost)
	require.NoError(t, s.Sweep(t.Context()))

	s.requireMetrics(t,
		`anb_jobs_total{kind="process",outcome="done",queue="q"} 1`,
		`anb_jobs_total{kind="process",outcome="dead",queue="q"} 1`,
		`anb_jobs_total{kind="process",outcome="cancelled",queue="q"} 1`,
		`anb_job_retries_total{kind="process",queue="q"} 3`,
		`anb_attempt_failures_total{queue="q",reason="killed"} 1`,
		`anb_attempt_failures_total{queue="q",reason="no_space"} 1`,
		`anb_attempt_failures_total{queue="q",reason="truncated"} 1`,
		`anb_attempt_failures_total{queue="q",reason="lost"} 1`,
		`anb_attempt_failures_total{queue="q",reason="timeout"} 0`,
		`anb_job_wait_seconds_count{kind="process",queue="q"} 3`, // of those that Handle has claimed, once each
		`anb_job_run_seconds_count{kind="process",queue="q"} 1`,
		`anb_video_seconds_total{queue="q"} 35`,
		`anb_ffmpeg_exits_total{code_class="ok"} 1`,
		`anb_ffmpeg_exits_total{code_class="error"} 2`,
		`anb_ffmpeg_exits_total{code_class="signal"} 1`,
		`anb_ffmpeg_exits_total{code_class="stopped"} 1`,
	)
	text := s.metrics(t)
	for _, id := range []uuid.UUID{done, dead, cancelled, lost} {
		require.NotContains(t, text, id.String())
	}
}

func TestMetrics_TellOfTheJanitorBesideTheWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	b.Tidied(Tidied{Files: 2, Bytes: 300}, ErrRestored)
	b.requireMetrics(t, "anb_janitor_last_success_timestamp_seconds 0", "anb_janitor_removed_files_total 2", "anb_janitor_removed_bytes_total 300")
	b.Tidied(Tidied{Files: 1, Bytes: 30, Staged: 4}, nil)
	b.requireMetrics(t, "anb_janitor_removed_files_total 7", "anb_janitor_removed_bytes_total 330")
	require.NotContains(t, b.metrics(t), "anb_janitor_last_success_timestamp_seconds 0\n")
}

func TestMetrics_RatioIsOfTheLatestJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.SQLite(t), nil)
	c := claim{Queue: "q"}
	b.measures.published(c, time.Hour, 0)
	b.requireMetrics(t, `anb_job_realtime_ratio{queue="q"} 0`)
	for range paced {
		b.measures.published(c, 10*time.Second, 35*time.Second)
	}
	b.requireMetrics(t, `anb_job_realtime_ratio{queue="q"} 3.5`, `anb_job_run_seconds_bucket{kind="process",queue="q",le="10"} 20`)
}
