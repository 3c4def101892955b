package processing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"anb/platform/ffmpeg"
)

// measures are what a worker tells Prometheus. Labels are queues, kinds and a
// few words, never a job, a video or a player.
type measures struct {
	jobs, retries, failures *prometheus.CounterVec
	seconds, exits          *prometheus.CounterVec
	wait, run               *prometheus.HistogramVec
	ratio                   *prometheus.GaugeVec
	tidied                  prometheus.Gauge
	removed, freed          prometheus.Counter

	mu     sync.Mutex
	latest map[string][]pace
}

// pace is how long a job ran, and how long its video is.
type pace struct{ wall, video time.Duration }

// paced is how many of a queue's latest jobs the realtime ratio is of.
const paced = 20

// newMeasures registers them, with a zero for each of the queues: what is absent
// is not known to be none.
func newMeasures(r prometheus.Registerer, queues []string) (*measures, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: []float64{.1, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200},
		}, []string{"queue", "kind"})
	}
	m := &measures{
		jobs:    counter("anb_jobs_total", "Jobs that this worker ended, by the state in which they are: done, dead or cancelled.", "queue", "kind", "outcome"),
		retries: counter("anb_job_retries_total", "Times that a job was put back to be tried again.", "queue", "kind"),
		failures: counter("anb_attempt_failures_total",
			"Attempts that failed, by reason; lost: the worker fell silent. Those for want of room or storage are in it.", "queue", "reason"),
		wait:    histogram("anb_job_wait_seconds", "Time from when a job was made until its first attempt began; later attempts are not in it."),
		run:     histogram("anb_job_run_seconds", "Time that attempts took which ended well."),
		seconds: counter("anb_video_seconds_total", "Seconds of video that were published.", "queue"),
		exits:   counter("anb_ffmpeg_exits_total", "How runs of ffmpeg for a job ended: ok, error, signal, or stopped by the worker.", "code_class"),
		ratio: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "anb_job_realtime_ratio", Help: "Seconds of video for each second of work, over the latest 20 jobs; 0 until there is one.",
		}, []string{"queue"}),
		tidied: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "anb_janitor_last_success_timestamp_seconds", Help: "When this worker last looked through all files without an error; 0: not yet.",
		}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{Name: "anb_janitor_removed_files_total", Help: "Files without a row, or staged by dead processes, that were removed."}),
		freed:   prometheus.NewCounter(prometheus.CounterOpts{Name: "anb_janitor_removed_bytes_total", Help: "Bytes of removed files without a row."}),
		latest:  map[string][]pace{},
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.jobs, m.retries, m.failures, m.seconds, m.exits, m.wait, m.run, m.ratio, m.tidied, m.removed, m.freed} {
		errs = append(errs, r.Register(c))
	}
	for _, q := range queues {
		for _, outcome := range []State{Done, Dead, Cancelled} {
			m.jobs.WithLabelValues(q, TaskName, string(outcome))
		}
		m.retries.WithLabelValues(q, TaskName)
		for _, reason := range Reasons() {
			m.failures.WithLabelValues(q, string(reason))
		}
		m.failures.WithLabelValues(q, string(outcomeLost))
		m.wait.WithLabelValues(q, TaskName)
		m.run.WithLabelValues(q, TaskName)
		m.seconds.WithLabelValues(q)
		m.ratio.WithLabelValues(q)
	}
	for _, class := range []string{exitOK, exitError, exitSignal, exitStopped} {
		m.exits.WithLabelValues(class)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics of jobs: %w", err)
	}
	return m, nil
}

// Tidied counts what a janitor beside this worker removed, and whether it came to
// the end.
func (w *Worker) Tidied(t Tidied, err error) {
	w.measures.removed.Add(float64(t.Files + t.Staged))
	w.measures.freed.Add(float64(t.Bytes))
	if err == nil {
		w.measures.tidied.SetToCurrentTime()
	}
}

// claimed observes how long a job has waited, if nobody has tried it before.
func (m *measures) claimed(c claim) {
	if c.first() {
		m.wait.WithLabelValues(c.Queue, TaskName).Observe(max(0, c.StartedAt.Sub(c.CreatedAt.Time)).Seconds())
	}
}

// ended counts a job that was dead, cancelled, or put back.
func (m *measures) ended(c claim, to State) {
	if to == Retrying {
		m.retries.WithLabelValues(c.Queue, TaskName).Inc()
		return
	}
	m.jobs.WithLabelValues(c.Queue, TaskName, string(to)).Inc()
}

// published counts a job that is done.
func (m *measures) published(c claim, wall, video time.Duration) {
	m.ended(c, Done)
	m.run.WithLabelValues(c.Queue, TaskName).Observe(wall.Seconds())
	m.seconds.WithLabelValues(c.Queue).Add(video.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	all := append(m.latest[c.Queue], pace{wall, video})
	all = all[max(0, len(all)-paced):]
	m.latest[c.Queue] = all
	var sum pace
	for _, p := range all {
		sum.wall, sum.video = sum.wall+p.wall, sum.video+p.video
	}
	m.ratio.WithLabelValues(c.Queue).Set(sum.video.Seconds() / max(sum.wall, time.Millisecond).Seconds())
}

// Classes of ffmpeg's ends.
const (
	exitOK      = "ok"
	exitError   = "error"
	exitSignal  = "signal"
	exitStopped = "stopped"
)

// exit counts how a run of ffmpeg ended.
func (m *measures) exit(err error) { m.exits.WithLabelValues(exitClass(err)).Inc() }

// exitClass tells how a run of ffmpeg ended.
func exitClass(err error) string {
	switch exit, bad := errors.AsType[*ffmpeg.ExitError](err); {
	case err == nil:
		return exitOK
	case bad && exit.Signal != 0:
		return exitSignal
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return exitStopped
	}
	return exitError
}
