package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
)

// sweepBatch is how many expired leases one sweep returns.
const sweepBatch = 100

// Sweep returns the jobs of silent workers to the queue, and keeps a few
// wake-ups on the bus while jobs are due. Any number of workers may do it at
// once.
func (w *Worker) Sweep(ctx context.Context) error {
	var errs []error
	lost, err := w.store.expired(ctx, sweepBatch)
	if err != nil {
		return fmt.Errorf("list expired leases: %w", err)
	}
	for _, l := range lost {
		switch to, err := w.reclaim(ctx, l); {
		case err == nil:
			w.measures.ended(l.Claim, to)
			w.measures.failures.WithLabelValues(l.Claim.Queue, string(outcomeLost)).Inc()
		case !errors.Is(err, errLost):
			errs = append(errs, fmt.Errorf("reclaim job %s: %w", l.Claim.ID, err))
		}
	}
	duty := w.duty.Load()
	for _, q := range duty.queues {
		if err := w.wake(ctx, q, 2*duty.slots); err != nil {
			errs = append(errs, fmt.Errorf("wake %s: %w", q, err))
		}
	}
	return errors.Join(errs...)
}

// reclaim ends an attempt whose lease has expired, and tells what became of its
// job; errLost when it has not expired, or another sweeper was first. A job that
// an operator had cancelled is cancelled, as its worker would have done. The
// reason of a job whose attempts run out is that of its last recorded failure; if
// there is none, its workers died each time.
func (w *Worker) reclaim(ctx context.Context, l lostJob) (to State, err error) {
	ctx = l.Claim.logged(ctx)
	err = w.DB.InTx(ctx, func(ctx context.Context) error {
		cancelled, err := w.store.stillExpired(ctx, l.Claim)
		if err != nil {
			return err
		}
		w.Log.WarnContext(ctx, "lease expired: its worker fell silent", slog.String("task_id", l.Claim.ID.String()),
			slog.Int("attempt", l.Claim.Attempt), slog.Int64("fence", l.Claim.Fence))
		reason := Reason(l.Reason)
		switch {
		case cancelled:
			to, reason = Cancelled, ReasonCancelled
		case !l.Claim.last():
			to = Retrying
			return w.store.finish(ctx, l.Claim, to, outcomeLost, &Failure{}, w.Config.backoff(l.Claim.Attempt, mathrand.Float64()))
		case reason == "":
			to, reason = Dead, ReasonPoison
		default:
			to = Dead
		}
		if err := w.store.finish(ctx, l.Claim, to, outcomeLost, &Failure{Reason: reason}, 0); err != nil {
			return err
		}
		return w.Videos.Fail(ctx, l.Claim.VideoID, reason.Code())
	})
	return to, err
}

// wake sends what is missing between the messages that wait and the jobs that
// are due, up to enough: to keep this worker busy until the next sweep, and no
// flood while thousands of jobs wait.
func (w *Worker) wake(ctx context.Context, queue string, enough int) error {
	due, err := w.store.due(ctx, queue, enough)
	if err != nil || len(due) == 0 {
		return err
	}
	waiting, err := w.Bus.Depth(ctx, queue)
	if err != nil {
		return err
	}
	for i := int(waiting); i < len(due); i++ {
		if err := w.Bus.Send(ctx, queue, TaskName, due[i].String()); err != nil {
			return err
		}
	}
	return nil
}

// SweepScratch removes the scratch folders of workers that have died.
func (w *Worker) SweepScratch(ctx context.Context) error {
	n, err := w.scratch.sweep()
	if n > 0 {
		w.Log.InfoContext(ctx, "scratch folders of dead workers removed", slog.Int("folders", n))
	}
	return err
}
