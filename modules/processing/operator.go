package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
	"anb/platform/fault"
)

// OperatorDeps are what an operator needs; all are required.
type OperatorDeps struct {
	DB     *database.DB
	Videos OperatorVideos
	Bus    Bus
	Config Config
	Now    func() time.Time
	Log    *slog.Logger
}

// Operator carries out what people order from the dashboard. Each method takes
// part in the transaction that ctx carries, so that its caller can write down
// there who ordered it, and has one of its own otherwise; one that fails has
// changed nothing. It is safe for concurrent use.
type Operator struct {
	OperatorDeps
	store store
}

// NewOperator wires an operator; it fails when a dependency is missing.
func NewOperator(d OperatorDeps) (*Operator, error) {
	if d.DB == nil || d.Videos == nil || d.Bus == nil || d.Now == nil || d.Log == nil {
		return nil, errors.New("processing: a dependency of the operator is missing")
	}
	return &Operator{OperatorDeps: d, store: store{d.DB}}, nil
}

// Retry has a dead or cancelled job done anew, as if it had never been tried, and
// one that rests before another attempt tried at once. operation is the bulk
// operation that this is part of, if any.
//
// It fails with ErrJobNotFound, ErrVideoGone when the player has deleted the
// video, and ErrJobState when the job is in another state, its video is published
// or another job processes it.
func (o *Operator) Retry(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) error {
	return o.change(ctx, "retry", job, func(ctx context.Context, j orderedJob) error {
		switch j.State {
		case Retrying:
			if err := o.store.hasten(ctx, j.ID, operation); err != nil {
				return err
			}
		case Dead, Cancelled:
			if err := o.reopen(ctx, j.VideoID); err != nil {
				return err
			}
			if err := o.store.requeue(ctx, j.ID, operation); err != nil {
				return err
			}
		default:
			return j.conflict("reintentar")
		}
		o.wake(ctx, j.Queue, j.ID)
		return nil
	})
}

// Cancel ends a job that waits, and its video, at once. One that runs is asked to
// end: stopping is true, and its worker ends it within seconds, or a sweeper if
// the worker dies; asking again is no error.
//
// It fails with ErrJobNotFound, and with ErrJobState when the job has ended.
func (o *Operator) Cancel(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) (stopping bool, err error) {
	err = o.change(ctx, "cancel", job, func(ctx context.Context, j orderedJob) error {
		switch j.State {
		case Running:
			stopping = true
			return o.store.askToEnd(ctx, j.ID, operation)
		case Queued, Retrying:
			if err := o.store.callOff(ctx, j.ID, operation); err != nil {
				return err
			}
			return o.Videos.Fail(ctx, j.VideoID, ReasonCancelled.Code())
		}
		return j.conflict("cancelar")
	})
	return stopping && err == nil, err
}

// Discard takes a dead job off the dead-letter list. It fails with ErrJobNotFound,
// and with ErrJobState when the job is not there.
func (o *Operator) Discard(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) error {
	return o.change(ctx, "discard", job, func(ctx context.Context, j orderedJob) error {
		if j.State != Dead || j.Discarded {
			return j.conflict("descartar")
		}
		return o.store.discard(ctx, j.ID, operation)
	})
}

// Submit makes a new job for a failed video and returns its id. It fails with
// ErrVideoGone, and with ErrJobState when the video is published or a job of it is
// active.
func (o *Operator) Submit(ctx context.Context, video uuid.UUID) (job uuid.UUID, err error) {
	if job, err = uuid.NewV7(); err != nil {
		return uuid.Nil, err
	}
	err = o.DB.InTx(ctx, func(ctx context.Context) error {
		if err := o.reopen(ctx, video); err != nil {
			return err
		}
		if err := o.store.enqueue(ctx, job, video, o.Config, o.Now()); err != nil {
			return err
		}
		o.wake(ctx, o.Config.Queue, job)
		return nil
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("submit video %s: %w", video, err)
	}
	return job, nil
}

// Pause has workers take no more jobs of a queue; what runs goes on. It reports
// false, and keeps the reason that there is, when the queue is paused already.
func (o *Operator) Pause(ctx context.Context, queue, reason, who string) (changed bool, err error) {
	if changed, err = o.store.pause(ctx, queue, reason, who); err != nil {
		return false, fmt.Errorf("pause queue %s: %w", queue, err)
	}
	return changed, nil
}

// Resume ends a pause. It reports false when there is none.
func (o *Operator) Resume(ctx context.Context, queue string) (changed bool, err error) {
	if changed, err = o.store.resume(ctx, queue); err != nil {
		return false, fmt.Errorf("resume queue %s: %w", queue, err)
	}
	if changed {
		o.wake(ctx, queue, uuid.Nil) // whatever is due; sweepers do the rest
	}
	return changed, nil
}

// Drain has a worker take no more jobs, until Undrain; what runs goes on. It
// reports false when that was ordered already, and fails with ErrWorkerNotFound
// when the worker has ended, as the three below do.
func (o *Operator) Drain(ctx context.Context, worker string) (changed bool, err error) {
	return o.order(ctx, worker, func(now *orders, _ []string) error { now.drain = true; return nil })
}

// Undrain ends a drain.
func (o *Operator) Undrain(ctx context.Context, worker string) (changed bool, err error) {
	return o.order(ctx, worker, func(now *orders, _ []string) error { now.drain = false; return nil })
}

// Scale has a worker do so many jobs at once, 1 to MaxSlots. Jobs that run go on.
func (o *Operator) Scale(ctx context.Context, worker string, slots int) (changed bool, err error) {
	return o.order(ctx, worker, func(now *orders, _ []string) error {
		now.slots = slots
		if slots < 1 || slots > MaxSlots {
			return invalid("slots", "OUT_OF_RANGE", fmt.Sprintf("Elige entre 1 y %d tareas a la vez.", MaxSlots))
		}
		return nil
	})
}

// Consume has a worker take jobs of a queue that it was started with, or leave
// them alone.
func (o *Operator) Consume(ctx context.Context, worker, queue string, on bool) (changed bool, err error) {
	return o.order(ctx, worker, func(now *orders, queues []string) error {
		if !slices.Contains(queues, queue) {
			return invalid("queue", "UNKNOWN", "Ese trabajador no se inició con esa cola.")
		}
		now.idle = slices.DeleteFunc(now.idle, func(q string) bool { return q == queue })
		if !on {
			now.idle = append(now.idle, queue)
			slices.Sort(now.idle)
		}
		return nil
	})
}

// MaxSlots is the most jobs at once that Scale orders.
const MaxSlots = 256

func invalid(field, code, message string) error {
	return fault.Validation([]fault.Field{{Field: field, Code: code, Message: message}})
}

// change runs f in a transaction that keeps everybody else from the job.
func (o *Operator) change(ctx context.Context, what string, job uuid.UUID, f func(context.Context, orderedJob) error) error {
	err := o.DB.InTx(ctx, func(ctx context.Context) error {
		j, err := o.store.lockJob(ctx, job)
		if err != nil {
			return err
		}
		return f(ctx, j)
	})
	if err != nil {
		return fmt.Errorf("%s job %s: %w", what, job, err)
	}
	return nil
}

// reopen makes a failed video wait again, for a job that the caller makes active.
func (o *Operator) reopen(ctx context.Context, video uuid.UUID) error {
	status, err := o.Videos.Reopen(ctx, video)
	if err != nil {
		return err
	}
	busy, err := o.store.busy(ctx, video)
	switch {
	case err != nil:
		return err
	case status == "":
		return ErrVideoGone
	case busy:
		return stateConflict("Otra tarea ya procesa el video.")
	case status == "processed":
		return stateConflict("El video ya está publicado.")
	}
	return nil
}

// order changes the orders of a living worker.
func (o *Operator) order(ctx context.Context, worker string, f func(now *orders, queues []string) error) (changed bool, err error) {
	err = o.DB.InTx(ctx, func(ctx context.Context) error {
		r, err := o.store.lockWorker(ctx, worker)
		if err != nil {
			return err
		}
		was, now := r.orders(), r.orders()
		if err := f(&now, names(r.Queues)); err != nil {
			return err
		}
		if changed = now.drain != was.drain || now.slots != was.slots || strings.Join(now.idle, ",") != r.OrderedIdle; !changed {
			return nil
		}
		return o.store.saveOrders(ctx, worker, now)
	})
	if err != nil {
		return false, fmt.Errorf("order worker %s: %w", worker, err)
	}
	return changed, nil
}

// wake tells a worker after the commit. That the bus is away is no error.
func (o *Operator) wake(ctx context.Context, queue string, job uuid.UUID) {
	o.DB.AfterCommit(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
		defer cancel()
		if err := o.Bus.Send(ctx, queue, TaskName, job.String()); err != nil {
			o.Log.WarnContext(ctx, "wake-up failed, the sweeper will", slog.String("task_id", job.String()), slog.Any("error", err))
		}
	})
}
