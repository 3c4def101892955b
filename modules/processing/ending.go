package processing

import (
	"context"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"time"
)

// ending is an attempt whose work is over.
type ending struct {
	claim claim
	made  product
	began time.Time
	log   *slog.Logger
}

func (e ending) took() slog.Attr { return slog.Duration("took", time.Since(e.began)) }

// failure is f as it is written down, with all that ffmpeg was told and said.
func (e ending) failure(f Failure) *Failure {
	f.fingerprint = fingerprint(&f)
	e.made.said.add(f.Tail)
	f.Tail, f.commands = e.made.said.text(), e.made.said.commands()
	return &f
}

// conclude writes down how an attempt ended, unless it was published. stopping
// says that the worker is, late that the attempt's time was up.
func (w *Worker) conclude(ctx context.Context, e ending, err error, stopping, late bool) {
	var f *Failure
	switch {
	case err == nil:
		w.done.Add(1)
		w.measures.published(e.claim, time.Since(e.began), e.made.files.Duration)
		e.log.InfoContext(ctx, "job done", e.took())
		return
	case errors.Is(err, errLost):
	case errors.Is(err, errCancelled):
	case stopping:
		err = w.release(ctx, e)
	case errors.As(err, &f):
		err = w.fail(ctx, e, f)
	case late:
		err = w.fail(ctx, e, &Failure{Reason: ReasonTimeout, Err: err})
	default:
		err = w.fail(ctx, e, &Failure{Reason: ReasonStorage, Err: err, unforeseen: true})
	}
	if errors.Is(err, errCancelled) {
		err = w.obeyCancel(ctx, e)
	}
	switch {
	case errors.Is(err, errLost): // by a deletion, which may be why it failed
		e.log.InfoContext(ctx, "job stopped: cancelled or taken over", e.took())
	case err != nil:
		e.log.ErrorContext(ctx, "end of attempt not recorded, the lease will end", slog.Any("error", err))
	}
}

// obeyCancel ends a job that an operator has cancelled, and its video.
func (w *Worker) obeyCancel(ctx context.Context, e ending) error {
	err := w.DB.InTx(ctx, func(ctx context.Context) error {
		if err := w.store.finish(ctx, e.claim, Cancelled, outcomeCancelled, e.failure(Failure{Reason: ReasonCancelled}), 0); err != nil {
			return err
		}
		return w.Videos.Fail(ctx, e.claim.VideoID, ReasonCancelled.Code())
	})
	if err == nil {
		w.measures.ended(e.claim, Cancelled)
		e.log.InfoContext(ctx, "job cancelled by an operator", e.took())
	}
	return err
}

// release hands a job back.
func (w *Worker) release(ctx context.Context, e ending) error {
	err := w.DB.InTx(ctx, func(ctx context.Context) error {
		return w.store.finish(ctx, e.claim, Queued, outcomeReleased, e.failure(Failure{}), 0)
	})
	if err == nil {
		e.log.InfoContext(ctx, "job handed back", e.took())
	}
	return err
}

// fail records a failed attempt: another one later, or the end; see outage.
func (w *Worker) fail(ctx context.Context, e ending, f *Failure) error {
	c, out, whole := e.claim, w.outage(ctx, f), e.failure(*f)
	to, postponed := Dead, false
	err := w.DB.InTx(ctx, func(ctx context.Context) (err error) {
		if out {
			if postponed, err = w.postpone(ctx, c, whole); err != nil || postponed {
				to = Retrying
				return err
			}
		}
		if !f.Reason.Permanent() && !c.last() {
			to = Retrying
			return w.store.finish(ctx, c, to, outcomeFailed, whole, w.Config.backoff(c.Attempt, mathrand.Float64()))
		}
		if err := w.store.finish(ctx, c, to, outcomeFailed, whole, 0); err != nil {
			return err
		}
		return w.Videos.Fail(ctx, c.VideoID, f.Reason.Code())
	})
	if err != nil {
		return err
	}
	w.measures.ended(c, to)
	w.measures.failures.WithLabelValues(c.Queue, string(f.Reason)).Inc()
	why := []any{e.took(), slog.String("reason", string(f.Reason)), slog.Any("error", f.Err)}
	if postponed {
		e.log.WarnContext(ctx, "attempt failed for want of room or storage, and does not count", why...)
		return nil
	}
	w.failed.Add(1)
	e.log.WarnContext(ctx, "attempt failed", why...)
	return nil
}
