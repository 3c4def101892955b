package processing

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"anb/platform/database"
)

// orderedJob is what an order depends on.
type orderedJob struct {
	ID        uuid.UUID
	VideoID   uuid.UUID
	Queue     string
	State     State
	Discarded bool
}

// locked has a query lock its rows; in SQLite the transaction is immediate.
func (s store) locked(q *gorm.DB) *gorm.DB {
	if s.db.Dialect() == database.Postgres {
		return q.Clauses(clause.Locking{Strength: "UPDATE"})
	}
	return q
}

// lockJob returns a job that nobody else changes for the rest of the transaction
// that ctx carries, or ErrJobNotFound. The job before the video: workers lock in
// this order too.
func (s store) lockJob(ctx context.Context, id uuid.UUID) (j orderedJob, err error) {
	err = s.locked(s.db.Write(ctx).Table("jobs").Select("id, video_id, queue, state, discarded_at IS NOT NULL AS discarded").
		Where("id = ?", id)).Take(&j).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrJobNotFound
	}
	return j, err
}

// busy reports whether a video has an active job.
func (s store) busy(ctx context.Context, video uuid.UUID) (bool, error) {
	var n int64
	err := s.db.Write(ctx).Table("jobs").Where("video_id = ? AND state IN "+active, video).Count(&n).Error
	return n > 0, err
}

func (s store) setJob(ctx context.Context, id uuid.UUID, operation uuid.NullUUID, values map[string]any) error {
	values["operation_id"] = operation
	return s.db.Write(ctx).Table("jobs").Where("id = ?", id).Updates(values).Error
}

// requeue makes an ended job as it was when it was new. Its fence stays, and so
// do its attempts.
func (s store) requeue(ctx context.Context, id uuid.UUID, operation uuid.NullUUID) error {
	return s.setJob(ctx, id, operation, map[string]any{
		"state": Queued, "attempt": 0, "run_after": gorm.Expr(s.db.Now()), "stage": "", "progress": 0, "progressed_at": nil,
		"cancel_requested": false, "reason": "", "fingerprint": "", "finished_at": nil, "discarded_at": nil,
	})
}

// hasten makes a job due.
func (s store) hasten(ctx context.Context, id uuid.UUID, operation uuid.NullUUID) error {
	return s.setJob(ctx, id, operation, map[string]any{"run_after": gorm.Expr(s.db.Now())})
}

// askToEnd has the worker of a job end it.
func (s store) askToEnd(ctx context.Context, id uuid.UUID, operation uuid.NullUUID) error {
	return s.setJob(ctx, id, operation, map[string]any{"cancel_requested": true})
}

// callOff ends a job that nobody runs.
func (s store) callOff(ctx context.Context, id uuid.UUID, operation uuid.NullUUID) error {
	return s.setJob(ctx, id, operation, map[string]any{
		"state": Cancelled, "cancel_requested": true, "reason": string(ReasonCancelled), "finished_at": gorm.Expr(s.db.Now()),
	})
}

// discard takes a job off the dead-letter list.
func (s store) discard(ctx context.Context, id uuid.UUID, operation uuid.NullUUID) error {
	return s.setJob(ctx, id, operation, map[string]any{"discarded_at": gorm.Expr(s.db.Now())})
}

// pause reports false when the queue is paused already.
func (s store) pause(ctx context.Context, queue, reason, who string) (bool, error) {
	r := s.db.Write(ctx).Exec("INSERT INTO queue_pauses (queue, reason, who, since) VALUES (?, ?, ?, "+s.db.Now()+") ON CONFLICT (queue) DO NOTHING",
		queue, clean(reason), clean(who))
	return r.RowsAffected == 1, r.Error
}

func (s store) resume(ctx context.Context, queue string) (bool, error) {
	r := s.db.Write(ctx).Exec("DELETE FROM queue_pauses WHERE queue = ?", queue)
	return r.RowsAffected == 1, r.Error
}

// lockWorker returns what a living worker is ordered, as lockJob does, or
// ErrWorkerNotFound.
func (s store) lockWorker(ctx context.Context, id string) (r orderedRow, err error) {
	err = s.locked(s.db.Write(ctx).Table("workers").Select("queues, ordered_drain, ordered_slots, ordered_idle").
		Where("id = ? AND ended_at IS NULL", id)).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrWorkerNotFound
	}
	return r, err
}

func (s store) saveOrders(ctx context.Context, worker string, o orders) error {
	values := map[string]any{"ordered_drain": o.drain, "ordered_slots": nil, "ordered_idle": strings.Join(o.idle, ",")}
	if o.slots > 0 {
		values["ordered_slots"] = o.slots
	}
	return s.db.Write(ctx).Table("workers").Where("id = ?", worker).Updates(values).Error
}
