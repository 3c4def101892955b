package processing

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
)

// claim takes the job that the hint names if it is of the queues, or else the
// next due one of them, earlier queues first; paused queues are left alone. The
// attempt is counted here, before the run, so that a crash counts. It returns
// false when nothing is due.
func (s store) claim(ctx context.Context, queues []string, hint uuid.UUID, worker string, lease time.Duration) (claim, bool, error) {
	if len(queues) == 0 {
		return claim{}, false, nil
	}
	c, ok, err := s.claimOne(ctx, worker, lease, "id = ? AND queue IN ? AND "+flowing, hint, queues)
	for _, q := range queues {
		if err != nil || ok {
			break
		}
		c, ok, err = s.claimOne(ctx, worker, lease, flowingQueue, q, q)
	}
	if err != nil || !ok {
		return claim{}, false, err
	}
	return c, true, s.db.Write(ctx).Exec(`INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at)
		VALUES (?, ?, ?, ?, `+s.db.Now()+`)`, c.ID, c.Fence, c.Attempt, worker).Error
}

const (
	// flowing is true of a job whose queue is not paused.
	flowing = "NOT EXISTS (SELECT 1 FROM queue_pauses p WHERE p.queue = jobs.queue)"
	// flowingQueue is true of the jobs of a queue, named twice, that is not
	// paused. Its pause is looked for once, not for each of its jobs.
	flowingQueue = "queue = ? AND NOT EXISTS (SELECT 1 FROM queue_pauses p WHERE p.queue = ?)"
)

func (s store) claimOne(ctx context.Context, worker string, lease time.Duration, which string, args ...any) (c claim, ok bool, err error) {
	skip := " FOR UPDATE SKIP LOCKED"
	if s.db.Dialect() == database.SQLite {
		skip = "" // one writer at a time
	}
	now := s.db.Now()
	r := s.db.Write(ctx).Raw(`UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, lease_until = `+s.db.In()+`,
			worker = ?, stage = ?, progress = 0, speed = 0, started_at = coalesce(started_at, `+now+`), progressed_at = `+now+`
		WHERE id = (SELECT id FROM jobs WHERE `+which+` AND state IN ('queued', 'retrying') AND run_after <= `+now+`
			ORDER BY run_after, id LIMIT 1`+skip+`)
		RETURNING id, video_id, queue, attempt, max_attempts, fence, created_at, started_at, request_id`,
		append([]any{database.Micros(lease), worker, StageProbe}, args...)...).Scan(&c)
	return c, r.Error == nil && r.RowsAffected == 1, r.Error
}

// renew extends the lease and writes how far the attempt is. It returns errLost
// when the job is not this claim's any more, errCancelled when it is and shall
// end.
func (s store) renew(ctx context.Context, c claim, lease time.Duration, at standing) error {
	var cancelled bool
	r := s.db.Write(ctx).Raw(`UPDATE jobs SET lease_until = `+s.db.In()+`, stage = ?, progress = ?, speed = ?,
			progressed_at = CASE WHEN stage = ? AND progress = ? THEN progressed_at ELSE `+s.db.Now()+` END
		WHERE id = ? AND fence = ? AND state = 'running' RETURNING cancel_requested`,
		database.Micros(lease), at.stage, at.progress, at.speed, at.stage, at.progress, c.ID, c.Fence).Scan(&cancelled)
	switch {
	case r.Error != nil:
		return r.Error
	case r.RowsAffected == 0:
		return errLost
	case cancelled:
		return errCancelled
	}
	return nil
}

// finish moves a job that this claim still holds to a state in which nobody
// runs it, and closes the attempt; errLost otherwise. A job that an operator
// cancelled can only become that: errCancelled, and nothing is changed. wait is
// how long a retried job rests.
func (s store) finish(ctx context.Context, c claim, to State, o outcome, f *Failure, wait time.Duration) error {
	values := map[string]any{"state": to, "lease_until": nil, "speed": 0}
	if f.Reason != "" {
		values["reason"] = string(f.Reason)
	}
	switch to {
	case Done:
		values["progress"], values["stage"] = 100, StagePublish
		values["finished_at"] = gorm.Expr(s.db.Now())
	case Dead:
		values["fingerprint"] = cmp.Or(f.fingerprint, string(f.Reason))
		values["finished_at"] = gorm.Expr(s.db.Now())
	case Cancelled:
		values["finished_at"] = gorm.Expr(s.db.Now())
	case Retrying:
		values["run_after"] = gorm.Expr(s.db.In(), database.Micros(wait))
		if o == outcomePostponed {
			values["attempt"] = gorm.Expr("attempt - 1")
		}
	case Queued: // handed back: the attempt does not count
		values["attempt"] = gorm.Expr("attempt - 1")
	}
	held := s.db.Write(ctx).Table("jobs").Where("id = ? AND fence = ? AND state = 'running'", c.ID, c.Fence)
	if to != Cancelled {
		held = held.Where("cancel_requested = ?", false)
	}
	r := held.Updates(values)
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return s.whyNotHeld(ctx, c)
	}
	return s.endAttempt(ctx, c.ID, c.Fence, o, f)
}

// whyNotHeld is errCancelled for a claim that an operator wants to end, else
// errLost.
func (s store) whyNotHeld(ctx context.Context, c claim) error {
	var n int64
	err := s.db.Write(ctx).Table("jobs").Where("id = ? AND fence = ? AND state = 'running' AND cancel_requested = ?", c.ID, c.Fence, true).Count(&n).Error
	switch {
	case err != nil:
		return err
	case n > 0:
		return errCancelled
	}
	return errLost
}
