package monitor

import (
	"time"

	"github.com/google/uuid"
)

// State is how a job is shown: what its row says, told apart further by time
// and by what operators ordered.
type State string

// The states. Waiting jobs are due, scheduled ones not yet; a retrying job has
// failed before and is due again or will be.
const (
	Waiting    State = "waiting"
	Scheduled  State = "scheduled"
	Running    State = "running"
	Stuck      State = "stuck" // runs without a lease or without progress
	Cancelling State = "cancelling"
	Retrying   State = "retrying"
	Done       State = "done"
	Dead       State = "dead"
	Discarded  State = "discarded"
	Cancelled  State = "cancelled"
)

// States returns all states, in the order in which pages list them.
func States() []State {
	return []State{Waiting, Scheduled, Running, Stuck, Cancelling, Retrying, Done, Dead, Discarded, Cancelled}
}

// Job is a job as lists show it, with what is known of its video. A deleted
// video leaves Title, Player and the keys empty.
type Job struct {
	ID          uuid.UUID
	VideoID     uuid.UUID
	Queue       string
	State       State
	Attempt     int
	MaxAttempts int
	Fence       int64
	Stage       string
	Progress    float64 // percent
	Speed       float64 // of the encoder; 1 is real time
	Worker      string
	Reason      string // of the last failure
	Fingerprint string
	CreatedAt   time.Time
	RunAfter    time.Time // before the first attempt: 1970
	StartedAt   time.Time // first claim; zero: never
	AttemptAt   time.Time // when the latest attempt began; zero: none
	FinishedAt  time.Time // zero: not finished
	RequestID   string    // of the request that asked for it, as in logs; empty: none did

	VideoExists  bool
	Title        string
	Player       string
	ThumbnailKey string
	Length       time.Duration // of what is to be encoded; zero: not known
}

// Wait is how long the job waited for its first attempt, or has waited by now.
func (j Job) Wait(now time.Time) time.Duration {
	end := j.StartedAt
	if end.IsZero() {
		if end = j.FinishedAt; end.IsZero() {
			end = now
		}
	}
	return max(0, end.Sub(j.CreatedAt))
}

// Run is how long the latest attempt took, or has taken by now; zero without
// one.
func (j Job) Run(now time.Time) time.Duration {
	if j.AttemptAt.IsZero() {
		return 0
	}
	end := j.FinishedAt
	if end.IsZero() {
		if j.State != Running && j.State != Stuck && j.State != Cancelling {
			return 0
		}
		end = now
	}
	return max(0, end.Sub(j.AttemptAt))
}

// Active reports whether a worker holds the job.
func (j Job) Active() bool { return j.State == Running || j.State == Stuck || j.State == Cancelling }

// Left is how long a running job still takes at its present pace; false while
// there is nothing to tell it by.
func (j Job) Left(now time.Time) (time.Duration, bool) {
	if !j.Active() || j.Progress < 3 || j.AttemptAt.IsZero() {
		return 0, false
	}
	return time.Duration(float64(now.Sub(j.AttemptAt)) * (100 - j.Progress) / j.Progress), true
}

// CanRetry, CanCancel and CanDiscard tell which actions fit the state.
func (j Job) CanRetry() bool {
	switch j.State {
	case Dead, Discarded, Cancelled:
		return j.VideoExists
	case Retrying, Scheduled:
		return true
	}
	return false
}

// CanCancel is like CanRetry.
func (j Job) CanCancel() bool {
	switch j.State {
	case Waiting, Scheduled, Running, Stuck, Retrying:
		return true
	}
	return false
}

// CanDiscard is like CanRetry.
func (j Job) CanDiscard() bool { return j.State == Dead }

// Attempt is one try of a job.
type Attempt struct {
	Fence        int64
	Attempt      int
	Worker       string
	StartedAt    time.Time
	FinishedAt   time.Time // zero: it runs
	Outcome      string    // running, done, failed, cancelled, released, lost, postponed
	Reason       string
	Error        string
	ExitCode     int
	Signal       string
	Tail         string // the last 500 lines of ffmpeg, lines end with \n
	DecodeErrors int
	Codec        string // of ffmpeg, that made the result
	Commands     string // of ffmpeg, one a line
	Stages       []Stage
}

// Stage is a part of an attempt.
type Stage struct {
	Name  string
	Began time.Duration // since the attempt began
	Took  time.Duration // zero: it goes on
}

// Detail is all about one job.
type Detail struct {
	Job
	Attempts []Attempt // oldest first
	Original File
	Result   File // zero until published
	Player   Player
	Payload  []Entry
	Video    VideoState
	Events   []Event // of the audit, newest first
}

// File is what is known of an original or of a published file.
type File struct {
	Key    string
	Bytes  int64
	Length time.Duration
	Width  int
	Height int
	Codec  string
	SHA256 string
}

// Player is who uploaded; empty when the video was deleted.
type Player struct {
	ID    uuid.UUID
	Name  string
	Email string // never shown unless revealed
	City  string
}

// VideoState is the video's side.
type VideoState struct {
	Status      string
	FailureCode string
	UploadedAt  time.Time
	Start       time.Duration
}
