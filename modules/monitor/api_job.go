package monitor

import (
	"time"

	"github.com/google/uuid"
)

// apiJobRow is a job as lists have it.
type apiJobRow struct {
	ID            uuid.UUID  `json:"id"`
	VideoID       uuid.UUID  `json:"video_id"`
	Kind          string     `json:"kind"`
	Queue         string     `json:"queue"`
	State         State      `json:"state"`
	Attempt       int        `json:"attempt"`
	MaxAttempts   int        `json:"max_attempts"`
	Stage         string     `json:"stage"`
	Progress      float64    `json:"progress"`
	Speed         float64    `json:"speed"`
	Worker        string     `json:"worker"`
	Reason        string     `json:"reason"`
	Fingerprint   string     `json:"fingerprint"`
	Title         string     `json:"title"`
	Player        string     `json:"player"`
	CreatedAt     *time.Time `json:"created_at"`
	RunAfter      *time.Time `json:"run_after"`
	StartedAt     *time.Time `json:"started_at"`
	AttemptAt     *time.Time `json:"attempt_at"`
	FinishedAt    *time.Time `json:"finished_at"`
	WaitSeconds   float64    `json:"wait_seconds"`
	RunSeconds    float64    `json:"run_seconds"`
	LeftSeconds   *float64   `json:"left_seconds"`
	LengthSeconds *float64   `json:"length_seconds"`
	Actions       []string   `json:"actions"`
}

// rowAt makes rows of jobs as they are at now.
func rowAt(now time.Time) func(Job) apiJobRow {
	return func(j Job) apiJobRow {
		a := apiJobRow{
			ID: j.ID, VideoID: j.VideoID, Kind: kind, Queue: j.Queue, State: j.State, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
			Stage: j.Stage, Progress: j.Progress, Speed: j.Speed, Worker: j.Worker, Reason: j.Reason, Fingerprint: j.Fingerprint,
			Title: j.Title, Player: j.Player, CreatedAt: when(j.CreatedAt), StartedAt: when(j.StartedAt), AttemptAt: when(j.AttemptAt),
			FinishedAt: when(j.FinishedAt), WaitSeconds: j.Wait(now).Seconds(), RunSeconds: j.Run(now).Seconds(), LengthSeconds: seconds(j.Length),
		}
		if j.RunAfter.After(j.CreatedAt) { // a new job's is long ago
			a.RunAfter = when(j.RunAfter)
		}
		if d, ok := j.Left(now); ok {
			s := d.Seconds()
			a.LeftSeconds = &s
		}
		if j.CanRetry() {
			a.Actions = append(a.Actions, "retry")
		}
		if j.CanCancel() {
			a.Actions = append(a.Actions, "cancel")
		}
		if j.CanDiscard() {
			a.Actions = append(a.Actions, "discard")
		}
		return a
	}
}

type apiAttempt struct {
	Fence        int64      `json:"fence"`
	Attempt      int        `json:"attempt"`
	Worker       string     `json:"worker"`
	StartedAt    *time.Time `json:"started_at"`
	FinishedAt   *time.Time `json:"finished_at"`
	Outcome      string     `json:"outcome"`
	Reason       string     `json:"reason"`
	Error        string     `json:"error"`
	ExitCode     int        `json:"exit_code"`
	Signal       string     `json:"signal"`
	DecodeErrors int        `json:"decode_errors"`
	Codec        string     `json:"codec"`
	Commands     string     `json:"commands"`
}

type apiFile struct {
	Bytes         int64    `json:"bytes"`
	LengthSeconds *float64 `json:"length_seconds"`
	Width         int      `json:"width"`
	Height        int      `json:"height"`
	Codec         string   `json:"codec"`
}

// fileAnswer leaves out what would help to guess a private file's address.
func fileAnswer(f File) *apiFile {
	if f.Key == "" {
		return nil
	}
	return &apiFile{f.Bytes, seconds(f.Length), f.Width, f.Height, f.Codec}
}

type apiEntry struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Hidden bool   `json:"hidden"`
}

// apiJobDetail is all about one job.
type apiJobDetail struct {
	apiJobRow
	RequestID   string       `json:"request_id"`
	VideoStatus string       `json:"video_status"`
	FailureCode string       `json:"failure_code"`
	Original    *apiFile     `json:"original"`
	Result      *apiFile     `json:"result"`
	Payload     []apiEntry   `json:"payload"`
	Attempts    []apiAttempt `json:"attempts"`
	Events      []apiEvent   `json:"events"`
}

func detailAnswer(d Detail, now time.Time) apiJobDetail {
	return apiJobDetail{
		apiJobRow: rowAt(now)(d.Job), RequestID: d.RequestID, VideoStatus: d.Video.Status, FailureCode: d.Video.FailureCode,
		Original: fileAnswer(d.Original), Result: fileAnswer(d.Result), Events: list(d.Events, eventAnswer),
		Payload: list(Redacted(d.Payload), func(e Entry) apiEntry { return apiEntry{e.Key, e.Value, e.Secret} }),
		Attempts: list(d.Attempts, func(a Attempt) apiAttempt {
			return apiAttempt{
				a.Fence, a.Attempt, a.Worker, when(a.StartedAt), when(a.FinishedAt), a.Outcome, a.Reason, redactKey(a.Error, d), a.ExitCode, a.Signal,
				a.DecodeErrors, a.Codec, redactKey(a.Commands, d),
			}
		}),
	}
}
