package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"anb/platform/lifecycle"
)

// workerState is what a worker does. One that dies leaves it as it was, so it
// holds only while the worker goes on reporting.
type workerState string

const (
	workerOnline   workerState = "online"
	workerDraining workerState = "draining" // finishes its jobs and takes no more
	workerExited   workerState = "exited"
)

const (
	// exitPatience is how long a worker that ends waits for its last report.
	exitPatience = 2 * time.Second
	// workerRetention is how long a worker is remembered after its last report.
	workerRetention = 7 * 24 * time.Hour
)

// Reported returns run, which takes jobs until its context ends, as a service
// that meanwhile reports this worker to the table of workers: at once and then
// each processing.heartbeat, as online until the context ends unless an operator
// ordered it to drain, as draining until run returns, and as exited then. What goes wrong with reports is logged; run
// does not notice.
func (w *Worker) Reported(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		r := reporter{worker: w}
		taking, stop := context.WithCancel(ctx)
		running, end := context.WithCancel(context.WithoutCancel(ctx))
		var reports sync.WaitGroup
		reports.Go(func() {
			r.repeat(taking, workerOnline)
			r.repeat(running, workerDraining)
		})
		err := run(ctx)
		stop()
		end()
		reports.Wait()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), exitPatience)
		defer cancel()
		if err := r.report(last, workerExited); err != nil {
			w.Log.WarnContext(ctx, "worker's end not reported", slog.Any("error", err))
		}
		return err
	}
}

// ForgetWorkers removes what workers reported that have been silent for a week,
// and samples older than a day.
func (w *Worker) ForgetWorkers(ctx context.Context) error {
	return errors.Join(w.store.forgetWorkers(ctx, workerRetention), w.store.forgetWorkerSamples(ctx, 24*time.Hour))
}

// SampleSelf keeps this worker's latest report as that of this minute, for the
// dashboard's sparklines.
func (w *Worker) SampleSelf(ctx context.Context) error {
	now, err := w.store.now(ctx)
	if err == nil {
		err = w.store.sampleWorker(ctx, w.ID, now.UTC().Truncate(time.Minute))
	}
	if err != nil {
		return fmt.Errorf("sample worker: %w", err)
	}
	return nil
}

// reporter remembers what it measured before. It is not safe for concurrent use.
type reporter struct {
	worker *Worker
	used   resources
	at     time.Time // zero: never
}

// repeat reports until ctx ends.
func (r *reporter) repeat(ctx context.Context, state workerState) {
	report := func(ctx context.Context) error { return r.report(ctx, state) }
	_ = lifecycle.Every(r.worker.Log, "heartbeat", r.worker.Config.Heartbeat, report)(ctx) // which is nil
}

// report writes the worker's row. What cannot be measured is an error, but the
// rest is written all the same.
func (r *reporter) report(ctx context.Context, state workerState) error {
	w := r.worker
	duty := w.duty.Load()
	if state == workerOnline && duty.draining {
		state = workerDraining
	}
	row := workerReport{
		ID: w.ID, Host: hostname(), PID: os.Getpid(), Version: w.Version, Queues: w.Queues, Slots: duty.slots,
		State: state, Done: w.done.Load(), Failed: w.failed.Load(),
	}
	now := time.Now()
	used, errUsed := measure()
	if errUsed == nil {
		row.RSS = used.rss
		if !r.at.IsZero() {
			row.CPU = cores(r.used, used, now.Sub(r.at))
		}
		r.used, r.at = used, now
	}
	free, known, errFree := w.Free(ctx)
	if known {
		bytes := int64(min(free, math.MaxInt64))
		row.ScratchFree = &bytes
	}
	return errors.Join(w.store.reportWorker(ctx, row), errUsed, errFree)
}
