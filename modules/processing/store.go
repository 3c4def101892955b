package processing

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
	"anb/platform/logging"
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
	RequestID   *string
}

func (jobRow) TableName() string { return "jobs" }

// enqueue inserts a job, due at once, with the request id that ctx carries.
func (s store) enqueue(ctx context.Context, id, videoID uuid.UUID, c Config, now time.Time) error {
	// The database's clock decides what is due; a fast clock here must not
	// make the job wait.
	r := jobRow{ID: id, VideoID: videoID, Queue: c.Queue, State: Queued, MaxAttempts: c.MaxAttempts, RunAfter: database.At(time.Unix(0, 0)), CreatedAt: database.At(now)}
	if request := logging.RequestID(ctx); request != "" {
		r.RequestID = &request
	}
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

// keepWords writes down the end of ffmpeg's words in an attempt that runs, and
// what it was told; it changes nothing once another has ended the attempt.
func (s store) keepWords(ctx context.Context, c claim, said, told string) error {
	return s.db.Write(ctx).Exec("UPDATE job_attempts SET stderr_tail = ?, commands = ? WHERE job_id = ? AND fence = ? AND outcome = 'running'",
		clean(said), clean(told), c.ID, c.Fence).Error
}

// keepStages writes down which stages an attempt has entered, and when.
func (s store) keepStages(ctx context.Context, c claim, stages string) error {
	return s.db.Write(ctx).Exec("UPDATE job_attempts SET stages = ? WHERE job_id = ? AND fence = ?", stages, c.ID, c.Fence).Error
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
	if f.commands != "" {
		values["commands"] = clean(f.commands)
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
	err := s.db.Read(ctx).Table("jobs").Select("id, video_id, queue, attempt, max_attempts, fence, reason, request_id").
		Where("state = 'running' AND lease_until < " + s.db.Now()).Order("lease_until").Limit(limit).Find(&out).Error
	return out, err
}

// stillExpired locks an expired job for the transaction that ctx carries, and
// tells whether an operator has cancelled it; it fails with errLost when its
// worker has come back, or another sweeper was first.
func (s store) stillExpired(ctx context.Context, c claim) (cancelled bool, err error) {
	r := s.db.Write(ctx).Raw(`UPDATE jobs SET cancel_requested = cancel_requested
		WHERE id = ? AND fence = ? AND state = 'running' AND lease_until < `+s.db.Now()+` RETURNING cancel_requested`, c.ID, c.Fence).Scan(&cancelled)
	if r.Error == nil && r.RowsAffected == 0 {
		return false, errLost
	}
	return cancelled, r.Error
}

// due lists the jobs of a queue that could run now, no more than limit; none of
// a paused one.
func (s store) due(ctx context.Context, queue string, limit int) (ids []uuid.UUID, err error) {
	err = s.db.Read(ctx).Table("jobs").Select("id").
		Where(flowingQueue+" AND state IN ('queued', 'retrying') AND run_after <= "+s.db.Now(), queue, queue).
		Order("run_after, id").Limit(limit).Pluck("id", &ids).Error
	return ids, err
}

// clean makes text safe to store: PostgreSQL refuses NUL and broken UTF-8.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
