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
		if err := w.reclaim(ctx, l); err != nil && !errors.Is(err, errLost) {
			errs = append(errs, fmt.Errorf("reclaim job %s: %w", l.Claim.ID, err))
		}
	}
	for _, q := range w.Queues {
		if err := w.wake(ctx, q); err != nil {
			errs = append(errs, fmt.Errorf("wake %s: %w", q, err))
		}
	}
	return errors.Join(errs...)
}

// reclaim ends an attempt whose lease has expired; errLost when it has not, or
// another sweeper was first. The reason of a job whose attempts run out is that
// of its last recorded failure; if there is none, its workers died each time.
func (w *Worker) reclaim(ctx context.Context, l lostJob) error {
	return w.DB.InTx(ctx, func(ctx context.Context) error {
		if ok, err := w.store.stillExpired(ctx, l.Claim); err != nil {
			return err
		} else if !ok {
			return errLost
		}
		w.Log.WarnContext(ctx, "lease expired: its worker fell silent", slog.String("task_id", l.Claim.ID.String()),
			slog.Int("attempt", l.Claim.Attempt), slog.Int64("fence", l.Claim.Fence))
		if !l.Claim.last() {
			return w.store.finish(ctx, l.Claim, Retrying, outcomeLost, &Failure{}, w.Config.backoff(l.Claim.Attempt, mathrand.Float64()))
		}
		reason := Reason(l.Reason)
		if reason == "" {
			reason = ReasonPoison
		}
		if err := w.store.finish(ctx, l.Claim, Dead, outcomeLost, &Failure{Reason: reason}, 0); err != nil {
			return err
		}
		return w.Videos.Fail(ctx, l.Claim.VideoID, reason.Code())
	})
}

// wake sends what is missing between the messages that wait and the jobs that
// are due, up to twice the slots: enough to keep this worker busy until the
// next sweep, and no flood while thousands of jobs wait.
func (w *Worker) wake(ctx context.Context, queue string) error {
	due, err := w.store.due(ctx, queue, 2*w.Slots)
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
