package monitor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"anb/modules/monitor/access"
	"anb/platform/fault"
	"anb/platform/logging"
)

// The actions, as the audit names them.
const (
	actRetry   = "job.retry"
	actCancel  = "job.cancel"
	actDiscard = "job.discard"
	actSubmit  = "job.submit"
	actReveal  = "job.reveal"
	actPause   = "queue.pause"
	actResume  = "queue.resume"
	actDrain   = "worker.drain"
	actUndrain = "worker.resume"
	actScale   = "worker.scale"
	actConsume = "worker.consume"
	actIdle    = "worker.idle"
	actBulk    = "jobs."       // and what is done to them
	actStop    = "bulk.stop"   // a bulk operation
	actRevoke  = "session.end" // of another
)

// order is what an operator asks for.
type order struct {
	action string
	target string
	reason string
	key    string // equal for repetitions of the request; may be empty
}

// limits of what operators write, in bytes.
const (
	maxReason = 500
	maxKey    = 200
)

// validate checks what a client may have made up.
func (o order) validate() error {
	if len(o.reason) > maxReason || len(o.key) > maxKey || strings.ContainsFunc(o.reason+o.key+o.target, control) {
		return fault.ErrParameter
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

// errNothing says that everything is as it was asked to be: there is nothing to
// write down.
var errNothing = errors.New("nothing to change")

// carry does what an operator orders and writes it to the audit, both or
// neither. What is refused is written down too. A repetition of a request, told
// by its key, changes nothing and returns the line of the first.
func (m *Module) carry(ctx context.Context, o order, do func(ctx context.Context) (detail string, err error)) (Event, error) {
	if err := o.validate(); err != nil {
		return Event{}, err
	}
	who, _ := access.From(ctx)
	if o.key != "" {
		o.key = who.Name + " " + o.action + " " + o.key
		if e, ok, err := m.store.byKey(ctx, o.key); err != nil || ok {
			return e, err
		}
	}
	e, err := m.line(ctx, o, who)
	if err != nil {
		return Event{}, err
	}
	err = m.deps.DB.InTx(ctx, func(ctx context.Context) (err error) {
		if e.Detail, err = do(ctx); err != nil {
			return err
		}
		return m.store.record(ctx, e, o.key)
	})
	var f *fault.Error
	switch {
	case err == nil:
		m.collector.touched()
		return e, nil
	case errors.Is(err, errNothing):
		return e, nil
	case errors.Is(err, errRepeated):
		e, _, err = m.store.byKey(ctx, o.key)
		return e, err
	case errors.As(err, &f) && f.Kind != fault.Internal && f.Kind != fault.Unavailable:
		if o.key != "" { // the first of two at the same time may have changed the state
			if first, ok, err := m.store.byKey(ctx, o.key); err != nil || ok {
				return first, err
			}
		}
		e.Result, e.Detail = resultRefused, f.Code
		if err := m.store.record(ctx, e, ""); err != nil {
			m.deps.Log.WarnContext(ctx, "refusal not written to the audit", "error", err)
		}
	}
	return e, fmt.Errorf("%s %s: %w", o.action, o.target, err)
}

// line begins a line of the audit.
func (m *Module) line(ctx context.Context, o order, who access.Principal) (Event, error) {
	id, err := uuid.NewV7()
	return Event{
		ID: id, At: m.deps.Now(), Who: who.Name, Role: string(who.Role), Address: who.Address, Action: o.action, Target: o.target,
		Reason: o.reason, Result: resultDone, RequestID: logging.RequestID(ctx),
	}, err
}

// jobAction does one of the actions on a job.
func (m *Module) jobAction(ctx context.Context, action string, id uuid.UUID, reason, key string) (Event, error) {
	return m.carry(ctx, order{action, id.String(), reason, key}, func(ctx context.Context) (string, error) {
		return m.onJob(ctx, action, id, uuid.NullUUID{})
	})
}

// onJob changes a job, for itself or as a part of a bulk operation.
func (m *Module) onJob(ctx context.Context, action string, id uuid.UUID, operation uuid.NullUUID) (detail string, err error) {
	switch action {
	case actRetry:
		return "", m.deps.Control.Retry(ctx, id, operation)
	case actDiscard:
		return "", m.deps.Control.Discard(ctx, id, operation)
	}
	stopping, err := m.deps.Control.Cancel(ctx, id, operation)
	if stopping {
		detail = "stopping"
	}
	return detail, err
}

// switched does an action that tells whether it changed anything.
func (m *Module) switched(ctx context.Context, o order, detail string, do func(ctx context.Context) (bool, error)) (Event, error) {
	return m.carry(ctx, o, func(ctx context.Context) (string, error) {
		changed, err := do(ctx)
		if err == nil && !changed {
			err = errNothing
		}
		return detail, err
	})
}

func (m *Module) pauseQueue(ctx context.Context, queue, reason, key string) (Event, error) {
	if strings.TrimSpace(reason) == "" {
		return Event{}, errReason
	}
	return m.switched(ctx, order{actPause, queue, reason, key}, "", func(ctx context.Context) (bool, error) {
		who, _ := access.From(ctx)
		return m.deps.Control.Pause(ctx, queue, reason, who.Name)
	})
}

func (m *Module) resumeQueue(ctx context.Context, queue, key string) (Event, error) {
	return m.switched(ctx, order{actResume, queue, "", key}, "", func(ctx context.Context) (bool, error) {
		return m.deps.Control.Resume(ctx, queue)
	})
}

func (m *Module) drainWorker(ctx context.Context, worker, reason, key string) (Event, error) {
	return m.switched(ctx, order{actDrain, worker, reason, key}, "", func(ctx context.Context) (bool, error) {
		return m.deps.Control.Drain(ctx, worker)
	})
}

func (m *Module) undrainWorker(ctx context.Context, worker, key string) (Event, error) {
	return m.switched(ctx, order{actUndrain, worker, "", key}, "", func(ctx context.Context) (bool, error) {
		return m.deps.Control.Undrain(ctx, worker)
	})
}

func (m *Module) scaleWorker(ctx context.Context, worker string, slots int, key string) (Event, error) {
	return m.switched(ctx, order{actScale, worker, "", key}, strconv.Itoa(slots), func(ctx context.Context) (bool, error) {
		return m.deps.Control.Scale(ctx, worker, slots)
	})
}

func (m *Module) consume(ctx context.Context, worker, queue string, on bool, key string) (Event, error) {
	action := actIdle
	if on {
		action = actConsume
	}
	return m.switched(ctx, order{action, worker, "", key}, queue, func(ctx context.Context) (bool, error) {
		return m.deps.Control.Consume(ctx, worker, queue, on)
	})
}

// submit makes a new job for a video.
func (m *Module) submit(ctx context.Context, video uuid.UUID, key string) (job uuid.UUID, err error) {
	e, err := m.carry(ctx, order{actSubmit, video.String(), "", key}, func(ctx context.Context) (string, error) {
		id, err := m.deps.Control.Submit(ctx, video)
		return id.String(), err
	})
	if err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(e.Detail)
}
