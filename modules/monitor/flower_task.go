package monitor

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// flowerState is the state of a job as Celery calls it. A claimed job that
// has not begun its first stage is received.
func flowerState(j Job) string {
	switch j.State {
	case Running, Stuck, Cancelling:
		if j.Stage == "" {
			return "RECEIVED"
		}
		return "STARTED"
	case Retrying:
		return "RETRY"
	case Done:
		return "SUCCESS"
	case Dead, Discarded:
		return "FAILURE"
	case Cancelled:
		return "REVOKED"
	}
	return "PENDING"
}

// ended reports whether a task's state is one that stays.
func ended(state string) bool { return state == "SUCCESS" || state == "FAILURE" || state == "REVOKED" }

// flowerFilter are the jobs in a state of Celery's; false when there is no such.
func flowerFilter(f *filter, state string) bool {
	states, known := map[string][]State{
		"PENDING": {Waiting, Scheduled}, "RECEIVED": {Running, Stuck, Cancelling}, "STARTED": {Running, Stuck, Cancelling}, "RETRY": {Retrying},
		"SUCCESS": {Done}, "FAILURE": {Dead, Discarded}, "REVOKED": {Cancelled},
	}[state]
	if !known {
		return false
	}
	switch f.narrow(states); state {
	case "RECEIVED":
		f.where("j.stage = ''")
	case "STARTED":
		f.where("j.stage <> ''")
	}
	return true
}

// flowerTaskInfo is a job as Flower shows it. Jobs are received by their queue
// when they are made: no worker takes one before it can start it. What a job
// here does not have is null.
type flowerTaskInfo struct {
	UUID       uuid.UUID `json:"uuid"`
	TaskID     uuid.UUID `json:"task-id"`
	Name       string    `json:"name"`
	State      string    `json:"state"`
	Args       string    `json:"args"`
	Kwargs     string    `json:"kwargs"`
	Result     *string   `json:"result"`
	Exception  *string   `json:"exception"`
	Traceback  *string   `json:"traceback"`
	Received   *float64  `json:"received"`
	Started    *float64  `json:"started"`
	Succeeded  *float64  `json:"succeeded"`
	Failed     *float64  `json:"failed"`
	Retried    *float64  `json:"retried"`
	Revoked    *float64  `json:"revoked"`
	Sent       *float64  `json:"sent"`
	Timestamp  *float64  `json:"timestamp"`
	Runtime    *float64  `json:"runtime"`
	Worker     *string   `json:"worker"`
	Retries    int       `json:"retries"`
	ETA        *string   `json:"eta"`
	Expires    *string   `json:"expires"`
	Exchange   *string   `json:"exchange"`
	RoutingKey string    `json:"routing_key"`
	Client     *string   `json:"client"`
	Clock      int64     `json:"clock"`
}

// none is what a Celery task that returns nothing returns.
const none = "None"

func taskInfo(j Job, now time.Time) flowerTaskInfo {
	t := flowerTaskInfo{
		UUID: j.ID, TaskID: j.ID, Name: kind, State: flowerState(j), Args: `["` + j.VideoID.String() + `"]`, Kwargs: "{}",
		Received: unixTime(j.CreatedAt), Sent: unixTime(j.CreatedAt), Started: unixTime(j.AttemptAt), Worker: some(j.Worker),
		Timestamp: unixTime(latest(j.CreatedAt, j.AttemptAt, j.FinishedAt)), Retries: max(0, j.Attempt-1), RoutingKey: j.Queue, Clock: j.Fence,
	}
	if j.Reason != "" && (t.State == "FAILURE" || t.State == "RETRY") {
		t.Exception = some(j.Reason)
	}
	if (j.State == Scheduled || j.State == Retrying) && j.RunAfter.After(now) {
		t.ETA = some(j.RunAfter.UTC().Format(time.RFC3339))
	}
	at := unixTime(j.FinishedAt)
	switch t.State {
	case "SUCCESS":
		t.Succeeded, t.Result, t.Runtime = at, some(none), seconds(j.Run(now))
	case "FAILURE":
		t.Failed = at
	case "REVOKED":
		t.Revoked = at
	}
	return t
}

// taskDetail adds what only the attempts tell.
func taskDetail(d Detail, now time.Time) flowerTaskInfo {
	t := taskInfo(d.Job, now)
	if n := len(d.Attempts); n > 0 && t.Exception != nil {
		t.Traceback = some(redactKey(d.Attempts[n-1].Error, d))
		if t.State == "RETRY" {
			t.Retried = unixTime(d.Attempts[n-1].FinishedAt)
		}
	}
	return t
}

// some is s, or nil when it is empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// taskMap is an object of tasks by id whose order matters.
type taskMap []flowerTaskInfo

// MarshalJSONTo implements json.MarshalerTo.
func (m taskMap) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, t := range m {
		if err := e.WriteToken(jsontext.String(t.UUID.String())); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, t); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}
