package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"anb/modules/monitor/access"
	"anb/platform/fault"
)

const (
	// bulkBatch is how many jobs one step of a bulk operation changes.
	bulkBatch = 100
	// bulkLease is how long a dashboard that dies keeps an operation.
	bulkLease = 30 * time.Second
	// bulkPause is between two looks for operations that nobody carries on.
	bulkPause = time.Second
	// maxIDs is how many jobs a request may name.
	maxIDs = 1000
	// maxPerMinute is the fastest of the gentle ways.
	maxPerMinute = 6000
)

// bulk is what a bulk request asks for.
type bulk struct {
	action    string // retry, cancel or discard
	query     string // in the search language
	ids       []string
	reason    string
	perMinute int
	key       string
}

// check refuses what cannot be meant.
func (b bulk) check() error {
	switch {
	case b.action != "retry" && b.action != "cancel" && b.action != "discard":
		return errAction
	case b.query == "" && len(b.ids) == 0:
		return errNoFilter
	case len(b.ids) > maxIDs, b.perMinute < 0, b.perMinute > maxPerMinute:
		return fault.ErrParameter
	case b.action == "discard" && strings.TrimSpace(b.reason) == "":
		return errReason
	}
	for _, id := range b.ids {
		if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
			return fault.ErrParameter
		}
	}
	return nil
}

// fitting are the states in which an action does something.
func fitting(action string) []State {
	switch action {
	case "retry":
		return []State{Retrying, Scheduled, Dead, Discarded, Cancelled}
	case "discard":
		return []State{Dead}
	}
	return []State{Waiting, Scheduled, Running, Stuck, Retrying}
}

// selected is the filter of an operation, narrowed to the jobs that its action
// fits: an older retry of everything must not touch what runs.
func (m *Module) selected(action, query string, ids []string) (filter, error) {
	var f filter
	if len(ids) > 0 {
		f.where("j.id IN ?", ids)
		f.states = fitting(action)
		return f, nil
	}
	f, err := m.compile(query)
	if err != nil {
		return f, err
	}
	fit := fitting(action)
	if len(f.states) == 0 {
		f.states = fit
		// Who wants the dead ones back does not mean those that were put away.
		if action == "retry" {
			f.states = []State{Dead}
		}
		return f, nil
	}
	f.states = slices.DeleteFunc(slices.Clone(f.states), func(x State) bool { return !slices.Contains(fit, x) })
	if len(f.states) == 0 {
		f.where("1 = 0")
		f.states = fit[:1]
	}
	return f, nil
}

// preview counts the jobs that an operation would change.
func (m *Module) preview(ctx context.Context, b bulk) (int64, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	f, err := m.selected(b.action, b.query, b.ids)
	if err != nil {
		return 0, err
	}
	return m.store.exact(ctx, f)
}

// start begins an operation, which goes on in the background, also when this
// dashboard ends.
func (m *Module) start(ctx context.Context, b bulk) (Operation, error) {
	total, err := m.preview(ctx, b)
	if err != nil {
		return Operation{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Operation{}, err
	}
	who, _ := access.From(ctx)
	o := Operation{
		ID: id, Action: b.action, Filter: b.query, IDs: b.ids, Reason: b.reason, Who: who.Name, PerMinute: b.perMinute,
		State: opRunning, Total: total, CreatedAt: m.deps.Now(),
	}
	target := b.query
	if target == "" {
		target = fmt.Sprintf("%d ids", len(b.ids))
	}
	e, err := m.carry(ctx, order{actBulk + b.action, target, b.reason, b.key}, func(ctx context.Context) (string, error) {
		return o.ID.String(), m.store.begin(ctx, o)
	})
	if err != nil {
		return Operation{}, err
	}
	if e.Detail != o.ID.String() { // a repetition
		if id, err = uuid.Parse(e.Detail); err != nil {
			return Operation{}, err
		}
		return m.findOperation(ctx, id)
	}
	return o, nil
}

func (m *Module) findOperation(ctx context.Context, id uuid.UUID) (Operation, error) {
	o, ok, err := m.store.operation(ctx, id)
	if err == nil && !ok {
		err = ErrOperationNotFound
	}
	return o, err
}

// stopOperation ends an operation where it is.
func (m *Module) stopOperation(ctx context.Context, id uuid.UUID, key string) (Event, error) {
	return m.switched(ctx, order{actStop, id.String(), "", key}, "", func(ctx context.Context) (bool, error) {
		return m.store.end(ctx, id, opStopped)
	})
}

// undo begins an operation that gives back what another has cancelled.
func (m *Module) undo(ctx context.Context, id uuid.UUID, key string) (Operation, error) {
	o, err := m.findOperation(ctx, id)
	if err != nil {
		return Operation{}, err
	}
	if o.Action != "cancel" {
		return Operation{}, errNotUndone
	}
	return m.start(ctx, bulk{action: "retry", query: "state:cancelled op:" + id.String(), reason: "undo " + id.String(), key: key})
}

// carryOn is the service that carries operations on.
func (m *Module) carryOn(ctx context.Context) error {
	for {
		o, ok, err := m.store.lead(ctx, bulkLease)
		if err != nil {
			return fmt.Errorf("take an operation on: %w", err)
		}
		if !ok {
			return nil
		}
		if err := m.step(ctx, o); err != nil {
			return fmt.Errorf("operation %s: %w", o.ID, err)
		}
	}
}

// step changes the next jobs of an operation. What a crash cuts short is done
// again: an action on a job that is changed already is refused and skipped.
func (m *Module) step(ctx context.Context, o Operation) error {
	f, err := m.selected(o.Action, o.Filter, o.IDs)
	if err != nil { // cannot be: it was understood when it began
		_, e := m.store.end(ctx, o.ID, opStopped)
		return errors.Join(err, e)
	}
	batch, rest := bulkBatch, time.Duration(0)
	if o.PerMinute > 0 {
		batch = max(1, o.PerMinute/60)
		rest = time.Duration(batch) * time.Minute / time.Duration(o.PerMinute)
	}
	ids, err := m.store.ids(ctx, f, o.LastID, batch)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		_, err := m.store.end(ctx, o.ID, opDone)
		m.collector.soon()
		return err
	}
	for _, id := range ids {
		if err := m.one(ctx, &o, id); err != nil {
			return err
		}
	}
	_, err = m.store.advance(ctx, o, rest)
	return err
}

// one changes one job of an operation.
func (m *Module) one(ctx context.Context, o *Operation, id uuid.UUID) error {
	err := m.deps.DB.InTx(ctx, func(ctx context.Context) error {
		_, err := m.onJob(ctx, "job."+o.Action, id, uuid.NullUUID{UUID: o.ID, Valid: true})
		return err
	})
	var f *fault.Error
	switch {
	case err == nil:
		o.Changed++
	case errors.As(err, &f) && f.Kind != fault.Internal && f.Kind != fault.Unavailable:
		o.Skipped++
		m.deps.Log.DebugContext(ctx, "job skipped by a bulk operation", slog.String("task_id", id.String()), slog.String("code", f.Code))
	default:
		return err
	}
	o.LastID = uuid.NullUUID{UUID: id, Valid: true}
	return nil
}
