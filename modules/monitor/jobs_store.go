package monitor

import (
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
)

// store reads what others own, and owns the audit, the operations. It is the
// only one here that speaks SQL.
type store struct {
	db  *database.DB
	lag func() time.Duration // how long a running job may be without progress
}

// jobColumns are what a jobRow takes, of jobs j, videos v and users u.
const jobColumns = `j.id, j.video_id, j.queue, j.state, j.attempt, j.max_attempts, j.fence, j.stage, j.progress, j.speed, j.worker,
	j.reason, j.fingerprint, j.created_at, j.run_after, j.started_at, j.finished_at, j.discarded_at, j.cancel_requested,
	j.lease_until, j.progressed_at, j.request_id, (SELECT a.started_at FROM job_attempts a WHERE a.job_id = j.id AND a.fence = j.fence) AS attempt_at,
	v.id AS video, v.title, u.first_name || ' ' || u.last_name AS player, v.thumbnail_key, v.original_ms, v.start_ms`

// jobTables join what jobColumns names to a selection of jobs.
const jobTables = ` j LEFT JOIN videos v ON v.id = j.video_id LEFT JOIN users u ON u.id = v.user_id `

type jobRow struct {
	ID              uuid.UUID
	VideoID         uuid.UUID
	Queue           string
	State           string
	Attempt         int
	MaxAttempts     int
	Fence           int64
	Stage           string
	Progress        float64
	Speed           float64
	Worker          string
	Reason          string
	Fingerprint     string
	CreatedAt       database.Time
	RunAfter        database.Time
	StartedAt       *database.Time
	FinishedAt      *database.Time
	DiscardedAt     *database.Time
	CancelRequested bool
	LeaseUntil      *database.Time
	ProgressedAt    *database.Time
	RequestID       *string
	AttemptAt       *database.Time
	Video           *uuid.UUID
	Title           *string
	Player          *string
	ThumbnailKey    *string
	OriginalMS      *int64 `gorm:"column:original_ms"`
	StartMS         *int64 `gorm:"column:start_ms"`
}

// job converts a row as it stands at now, by the database's clock.
func (s store) job(r jobRow, now time.Time) Job {
	j := Job{
		ID: r.ID, VideoID: r.VideoID, Queue: r.Queue, Attempt: r.Attempt, MaxAttempts: r.MaxAttempts, Fence: r.Fence,
		Stage: r.Stage, Progress: r.Progress, Worker: r.Worker, Reason: r.Reason, Fingerprint: r.Fingerprint,
		CreatedAt: r.CreatedAt.Time, RunAfter: r.RunAfter.Time, StartedAt: moment(r.StartedAt), FinishedAt: moment(r.FinishedAt),
		AttemptAt: moment(r.AttemptAt), VideoExists: r.Video != nil, Title: text(r.Title), Player: text(r.Player), ThumbnailKey: text(r.ThumbnailKey),
		Length: length(r.OriginalMS, r.StartMS), RequestID: text(r.RequestID),
	}
	j.State = s.state(r, now)
	if j.Active() {
		j.Speed = r.Speed // a binary before this one does not reset it
	}
	return j
}

func (s store) state(r jobRow, now time.Time) State {
	switch r.State {
	case "queued":
		if r.RunAfter.After(now) {
			return Scheduled
		}
		return Waiting
	case "running":
		switch {
		case r.CancelRequested:
			return Cancelling
		case r.LeaseUntil != nil && r.LeaseUntil.Before(now), s.idle(r).Before(now.Add(-s.lag())):
			return Stuck
		}
		return Running
	case "dead":
		if r.DiscardedAt != nil {
			return Discarded
		}
		return Dead
	}
	return State(r.State)
}

// idle is since when a running job has not got any further.
func (s store) idle(r jobRow) time.Time {
	return latest(moment(r.ProgressedAt), moment(r.AttemptAt), moment(r.StartedAt))
}

func latest(ts ...time.Time) (t time.Time) {
	for _, one := range ts {
		if one.After(t) {
			t = one
		}
	}
	return t
}

// clipLength is how much of a video is encoded at most: what the default of
// encoder.clip_length says. An estimate depends on it, nothing else.
const clipLength = 30 * time.Second

// length is how much of a video is encoded; zero: not known.
func length(original, start *int64) time.Duration {
	if original == nil {
		return 0
	}
	d := time.Duration(*original) * time.Millisecond
	if start != nil {
		d -= time.Duration(*start) * time.Millisecond
	}
	return max(time.Second, min(d, clipLength))
}

func moment(t *database.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
