package monitor

import (
	"time"

	"github.com/google/uuid"

	"anb/modules/monitor/drain"
)

// when is a time as answers have it; nil for none.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// seconds is a duration as answers have it; nil for none.
func seconds(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

// list keeps an empty list from being something else in JSON.
func list[T, R any](all []T, one func(T) R) []R {
	out := make([]R, len(all))
	for i, x := range all {
		out[i] = one(x)
	}
	return out
}

type apiEstimate struct {
	Kind            drain.Kind `json:"kind"`
	P50Seconds      *float64   `json:"p50_seconds"`
	P90Seconds      *float64   `json:"p90_seconds"`
	GrowthPerMinute float64    `json:"growth_per_minute"`
}

func estimateAnswer(r drain.Result) apiEstimate {
	return apiEstimate{r.Kind, seconds(r.P50), seconds(r.P90), r.GrowthPerMinute}
}

type apiHeadline struct {
	Waiting       int64       `json:"waiting"`
	Scheduled     int64       `json:"scheduled"`
	Running       int64       `json:"running"`
	Stuck         int64       `json:"stuck"`
	Dead          int64       `json:"dead"`
	DoneToday     int64       `json:"done_today"`
	FailingRatio  float64     `json:"failing_ratio"`
	OldestSeconds float64     `json:"oldest_seconds"`
	Drain         apiEstimate `json:"drain"`
	Slots         int64       `json:"slots"`
	Busy          int64       `json:"busy"`
	In15m         int64       `json:"in_15m"`
	Out15m        int64       `json:"out_15m"`
	RealtimeRatio float64     `json:"realtime_ratio"`
}

func headlineAnswer(h Headline) apiHeadline {
	if h.Drain.Kind == "" { // no queue at all
		h.Drain.Kind = drain.Empty
	}
	return apiHeadline{
		h.Waiting, h.Scheduled, h.Running, h.Stuck, h.Dead, h.DoneToday, h.Failing, h.Oldest.Seconds(), estimateAnswer(h.Drain),
		h.Slots, h.Busy, h.In15, h.Out15, h.Realtime,
	}
}

type apiProblem struct {
	Kind    ProblemKind `json:"kind"`
	Subject string      `json:"subject"`
	Count   int64       `json:"count"`
	Since   *time.Time  `json:"since"`
	Urgent  bool        `json:"urgent"`
	Text    string      `json:"text"`
}

func problemAnswer(p Problem) apiProblem {
	return apiProblem{p.Kind, p.Subject, p.Count, when(p.Since), p.Urgent(), problemWords(spanish, p)}
}

type apiPauseInfo struct {
	Reason string     `json:"reason"`
	Who    string     `json:"who"`
	Since  *time.Time `json:"since"`
}

type apiQueueInfo struct {
	Name               string        `json:"name"`
	Waiting            int64         `json:"waiting"`
	Scheduled          int64         `json:"scheduled"`
	Running            int64         `json:"running"`
	Stuck              int64         `json:"stuck"`
	Dead               int64         `json:"dead"`
	OldestSeconds      float64       `json:"oldest_seconds"`
	In15m              int64         `json:"in_15m"`
	Out15m             int64         `json:"out_15m"`
	Failed15m          int64         `json:"failed_15m"`
	WaitP50Seconds     *float64      `json:"wait_p50_seconds"`
	WaitP95Seconds     *float64      `json:"wait_p95_seconds"`
	RunP50Seconds      *float64      `json:"run_p50_seconds"`
	RunP95Seconds      *float64      `json:"run_p95_seconds"`
	RealtimeRatio      float64       `json:"realtime_ratio"`
	Consumers          int64         `json:"consumers"`
	Slots              int64         `json:"slots"`
	Pause              *apiPauseInfo `json:"pause"`
	Drain              apiEstimate   `json:"drain"`
	Messages           int64         `json:"messages"`
	UnreadableMessages int64         `json:"unreadable_messages"`
}

func queueAnswer(q Queue) apiQueueInfo {
	a := apiQueueInfo{
		Name: q.Name, Waiting: q.Waiting, Scheduled: q.Scheduled, Running: q.Running, Stuck: q.Stuck, Dead: q.Dead, OldestSeconds: q.Oldest.Seconds(),
		In15m: q.Arrived15, Out15m: q.Done15, Failed15m: q.Failed15, WaitP50Seconds: seconds(q.WaitP50), WaitP95Seconds: seconds(q.WaitP95),
		RunP50Seconds: seconds(q.RunP50), RunP95Seconds: seconds(q.RunP95), RealtimeRatio: q.Realtime, Consumers: q.Consumers, Slots: q.Slots,
		Drain: estimateAnswer(q.Drain), Messages: q.Messages, UnreadableMessages: q.Poison,
	}
	if q.Pause != nil {
		a.Pause = &apiPauseInfo{q.Pause.Reason, q.Pause.Who, when(q.Pause.Since)}
	}
	return a
}

type apiWorkerInfo struct {
	ID               string      `json:"id"`
	Host             string      `json:"host"`
	PID              int64       `json:"pid"`
	Version          string      `json:"version"`
	State            WorkerState `json:"state"`
	Queues           []string    `json:"queues"`
	IdleQueues       []string    `json:"idle_queues"`
	Slots            int         `json:"slots"`
	Busy             int         `json:"busy"`
	OrderedDrain     bool        `json:"ordered_drain"`
	OrderedSlots     *int        `json:"ordered_slots"`
	StartedAt        *time.Time  `json:"started_at"`
	BeatAt           *time.Time  `json:"beat_at"`
	EndedAt          *time.Time  `json:"ended_at"`
	CPUCores         float64     `json:"cpu_cores"`
	RSSBytes         int64       `json:"rss_bytes"`
	ScratchFreeBytes *int64      `json:"scratch_free_bytes"`
	Done             int64       `json:"done"`
	Failed           int64       `json:"failed"`
	Jobs             []apiJobRow `json:"jobs"`
}

func workerAnswer(w Worker, now time.Time) apiWorkerInfo {
	a := apiWorkerInfo{
		ID: w.ID, Host: w.Host, PID: w.PID, Version: w.Version, State: w.State, Queues: w.Queues, IdleQueues: w.Idle, Slots: w.Slots, Busy: w.Busy(),
		OrderedDrain: w.OrderedDrain, StartedAt: when(w.StartedAt), BeatAt: when(w.BeatAt), EndedAt: when(w.EndedAt),
		CPUCores: w.CPU, RSSBytes: w.RSS, Done: w.Done, Failed: w.Failed, Jobs: list(w.Jobs, rowAt(now)),
	}
	if w.OrderedSlots > 0 {
		a.OrderedSlots = &w.OrderedSlots
	}
	if w.ScratchFree >= 0 {
		a.ScratchFreeBytes = &w.ScratchFree
	}
	return a
}

type apiGroup struct {
	Fingerprint string     `json:"fingerprint"`
	Reason      string     `json:"reason"`
	Count       int64      `json:"count"`
	FirstAt     *time.Time `json:"first_at"`
	LastAt      *time.Time `json:"last_at"`
	SampleJob   uuid.UUID  `json:"sample_job"`
	Workers     int64      `json:"workers"`
	Players     int64      `json:"players"`
	OldVersion  string     `json:"old_version"`
	NewVersion  string     `json:"new_version"`
	Filter      string     `json:"filter"`
}

func groupAnswer(g Group) apiGroup {
	return apiGroup{
		g.Fingerprint, g.Reason, g.Count, when(g.First), when(g.Last), g.Sample, g.Workers, g.Players, g.OldVersion, g.NewVersion, groupQuery(g),
	}
}

type apiOperationInfo struct {
	ID         uuid.UUID  `json:"id"`
	Action     string     `json:"action"`
	Filter     string     `json:"filter"`
	IDs        []string   `json:"ids"`
	Reason     string     `json:"reason"`
	Who        string     `json:"who"`
	PerMinute  int        `json:"per_minute"`
	State      string     `json:"state"`
	Total      int64      `json:"total"`
	Changed    int64      `json:"changed"`
	Skipped    int64      `json:"skipped"`
	Percent    float64    `json:"percent"`
	CreatedAt  *time.Time `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func operationAnswer(o Operation) apiOperationInfo {
	return apiOperationInfo{
		o.ID, o.Action, o.Filter, o.IDs, o.Reason, o.Who, o.PerMinute, o.State, o.Total, o.Changed, o.Skipped, o.Percent(),
		when(o.CreatedAt), when(o.FinishedAt),
	}
}

type apiEvent struct {
	ID        uuid.UUID  `json:"id"`
	At        *time.Time `json:"at"`
	Who       string     `json:"who"`
	Role      string     `json:"role"`
	Address   string     `json:"address"`
	Action    string     `json:"action"`
	Target    string     `json:"target"`
	Reason    string     `json:"reason"`
	Result    string     `json:"result"`
	Detail    string     `json:"detail"`
	RequestID string     `json:"request_id"`
}

func eventAnswer(e Event) apiEvent {
	return apiEvent{e.ID, when(e.At), e.Who, e.Role, e.Address, e.Action, e.Target, e.Reason, e.Result, e.Detail, e.RequestID}
}
