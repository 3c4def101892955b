package processing

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
)

// store is the only one to read and write jobs and their attempts.
type store struct{ db *database.DB }

type jobRow struct {
	ID          uuid.UUID `gorm:"primaryKey"`
	VideoID     uuid.UUID
	Queue       string
	State       State
	MaxAttempts int
	RunAfter    database.Time
	CreatedAt   database.Time
}

func (jobRow) TableName() string { return "jobs" }

// enqueue inserts a job, due at once.
func (s store) enqueue(ctx context.Context, id, videoID uuid.UUID, c Config, now time.Time) error {
	// The database's clock decides what is due; a fast clock here must not
	// make the job wait.
	r := jobRow{ID: id, VideoID: videoID, Queue: c.Queue, State: Queued, MaxAttempts: c.MaxAttempts, RunAfter: database.At(time.Unix(0, 0)), CreatedAt: database.At(now)}
	return s.db.Write(ctx).Create(&r).Error
}

// snapshot is what others may know about a job.
type snapshot struct {
	ID       uuid.UUID
	State    State
	Stage    string
	Progress float64
}

// get returns false when there is no such job.
func (s store) get(ctx context.Context, where string, id uuid.UUID) (snapshot, bool, error) {
	var out snapshot
	err := s.db.Read(ctx).Table("jobs").Select("id, state, stage, progress").
		Where(where, id).Order("created_at DESC").Take(&out).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return snapshot{}, false, nil
	}
	return out, err == nil, err
}

// newest returns the id of the newest job, and false when there is none.
func (s store) newest(ctx context.Context) (uuid.UUID, bool, error) {
	var r jobRow
	err := s.db.Write(ctx).Order("created_at DESC, id DESC").Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return uuid.Nil, false, nil
	}
	return r.ID, err == nil, err
}

// cancel ends the active job of a video, running or not. A worker that runs it
// finds out at its next renewal, and its writes match no row any more.
func (s store) cancel(ctx context.Context, videoID uuid.UUID) error {
	var ended []struct {
		ID    uuid.UUID
		Fence int64
	}
	err := s.db.Write(ctx).Raw(`UPDATE jobs SET state = 'cancelled', cancel_requested = ?, lease_until = NULL, speed = 0, finished_at = `+s.db.Now()+`
		WHERE video_id = ? AND state IN ('queued', 'running', 'retrying') RETURNING id, fence`, true, videoID).Scan(&ended).Error
	if err != nil || len(ended) == 0 {
		return err
	}
	return s.endAttempt(ctx, ended[0].ID, ended[0].Fence, outcomeCancelled, &Failure{})
}

// claim takes the job that the hint names, or else the next due one of the
// queues, earlier queues first. The attempt is counted here, before the run, so
// that a crash counts. It returns false when nothing is due.
func (s store) claim(ctx context.Context, queues []string, hint uuid.UUID, worker string, lease time.Duration) (claim, bool, error) {
	c, ok, err := s.claimOne(ctx, "id = ?", hint, worker, lease)
	for _, q := range queues {
		if err != nil || ok {
			break
		}
		c, ok, err = s.claimOne(ctx, "queue = ?", q, worker, lease)
	}
	if err != nil || !ok {
		return claim{}, false, err
	}
	return c, true, s.db.Write(ctx).Exec(`INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at)
		VALUES (?, ?, ?, ?, `+s.db.Now()+`)`, c.ID, c.Fence, c.Attempt, worker).Error
}

func (s store) claimOne(ctx context.Context, which string, value any, worker string, lease time.Duration) (c claim, ok bool, err error) {
	skip := " FOR UPDATE SKIP LOCKED"
	if s.db.Dialect() == database.SQLite {
		skip = "" // one writer at a time
	}
	r := s.db.Write(ctx).Raw(`UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, lease_until = `+s.db.In()+`,
			worker = ?, stage = ?, progress = 0, speed = 0, started_at = coalesce(started_at, `+s.db.Now()+`)
		WHERE id = (SELECT id FROM jobs WHERE `+which+` AND state IN ('queued', 'retrying') AND run_after <= `+s.db.Now()+`
			ORDER BY run_after, id LIMIT 1`+skip+`)
		RETURNING id, video_id, attempt, max_attempts, fence`,
		database.Micros(lease), worker, StageProbe, value).Scan(&c)
	return c, r.Error == nil && r.RowsAffected == 1, r.Error
}

// renew extends the lease and writes how far the attempt is. It returns errLost
// when the job is not this claim's any more.
func (s store) renew(ctx context.Context, c claim, lease time.Duration, at standing) error {
	r := s.db.Write(ctx).Exec(`UPDATE jobs SET lease_until = `+s.db.In()+`, stage = ?, progress = ?, speed = ?
		WHERE id = ? AND fence = ? AND state = 'running'`, database.Micros(lease), at.stage, at.progress, at.speed, c.ID, c.Fence)
	if r.Error == nil && r.RowsAffected == 0 {
		return errLost
	}
	return r.Error
}

// finish moves a job that this claim still holds to a state in which nobody
// runs it, and closes the attempt; errLost otherwise. wait is how long a
// retried job rests.
func (s store) finish(ctx context.Context, c claim, to State, o outcome, f *Failure, wait time.Duration) error {
	values := map[string]any{"state": to, "lease_until": nil, "speed": 0}
	if f.Reason != "" {
		values["reason"] = string(f.Reason)
	}
	switch to {
	case Done:
		values["progress"], values["stage"] = 100, StagePublish
		values["finished_at"] = gorm.Expr(s.db.Now())
	case Dead, Cancelled:
		values["finished_at"] = gorm.Expr(s.db.Now())
	case Retrying:
		values["run_after"] = gorm.Expr(s.db.In(), database.Micros(wait))
		if o == outcomePostponed {
			values["attempt"] = gorm.Expr("attempt - 1")
		}
	case Queued: // handed back: the attempt does not count
		values["attempt"] = gorm.Expr("attempt - 1")
	}
	r := s.db.Write(ctx).Table("jobs").Where("id = ? AND fence = ? AND state = 'running'", c.ID, c.Fence).Updates(values)
	if r.Error != nil {
		return r.Error
	}
	if r.RowsAffected == 0 {
		return errLost
	}
	return s.endAttempt(ctx, c.ID, c.Fence, o, f)
}

// younger reports whether a claim's job was made less than d ago.
func (s store) younger(ctx context.Context, c claim, d time.Duration) (bool, error) {
	var n int64
	err := s.db.Write(ctx).Table("jobs").Where("id = ? AND created_at > "+s.db.Ago(), c.ID, database.Micros(d)).Count(&n).Error
	return n > 0, err
}

// describe writes down how good an attempt's source was and what encoded it.
func (s store) describe(ctx context.Context, c claim, made product) error {
	return s.db.Write(ctx).Table("job_attempts").Where("job_id = ? AND fence = ?", c.ID, c.Fence).
		Updates(map[string]any{"decode_errors": made.decodeErrors, "codec": made.codec}).Error
}

// keepTail writes down the end of ffmpeg's words in an attempt that runs; it
// changes nothing once another has ended the attempt.
func (s store) keepTail(ctx context.Context, c claim, text string) error {
	return s.db.Write(ctx).Exec("UPDATE job_attempts SET stderr_tail = ? WHERE job_id = ? AND fence = ? AND outcome = 'running'",
		clean(text), c.ID, c.Fence).Error
}

// endAttempt closes an attempt. What was kept of ffmpeg's words stays unless the
// failure has more.
func (s store) endAttempt(ctx context.Context, id uuid.UUID, fence int64, o outcome, f *Failure) error {
	text := ""
	if f.Err != nil {
		text = f.Err.Error()
	}
	values := map[string]any{
		"finished_at": gorm.Expr(s.db.Now()), "outcome": o, "reason": string(f.Reason), "error": clean(text),
		"exit_code": f.ExitCode, "signal": f.Signal,
	}
	if f.Tail != "" {
		values["stderr_tail"] = clean(f.Tail)
	}
	return s.db.Write(ctx).Table("job_attempts").Where("job_id = ? AND fence = ?", id, fence).Updates(values).Error
}

// lostJob is a running job whose worker fell silent.
type lostJob struct {
	Claim  claim  `gorm:"embedded"`
	Reason string // of an earlier failure
}

// expired lists running jobs whose lease has ended.
func (s store) expired(ctx context.Context, limit int) ([]lostJob, error) {
	var out []lostJob
	err := s.db.Read(ctx).Table("jobs").Select("id, video_id, attempt, max_attempts, fence, reason").
		Where("state = 'running' AND lease_until < " + s.db.Now()).Order("lease_until").Limit(limit).Find(&out).Error
	return out, err
}

// stillExpired locks an expired job for the transaction that ctx carries; it
// is false when its worker has come back, or another sweeper was first.
func (s store) stillExpired(ctx context.Context, c claim) (bool, error) {
	r := s.db.Write(ctx).Exec(`UPDATE jobs SET cancel_requested = cancel_requested
		WHERE id = ? AND fence = ? AND state = 'running' AND lease_until < `+s.db.Now(), c.ID, c.Fence)
	return r.RowsAffected == 1, r.Error
}

// due counts the jobs of a queue that could run now, no further than limit.
func (s store) due(ctx context.Context, queue string, limit int) (ids []uuid.UUID, err error) {
	err = s.db.Read(ctx).Table("jobs").Select("id").
		Where("queue = ? AND state IN ('queued', 'retrying') AND run_after <= "+s.db.Now(), queue).
		Order("run_after, id").Limit(limit).Pluck("id", &ids).Error
	return ids, err
}

// clean makes text safe to store: PostgreSQL refuses NUL and broken UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
