package monitor

import (
	"time"

	"github.com/google/uuid"

	"anb/modules/monitor/drain"
)

// Snapshot is everything that changes by itself, as of one moment. It is made
// by the collector and never changed afterwards, so that any number of watchers
// share it.
type Snapshot struct {
	Seq       int64
	At        time.Time // by the database's clock
	Queues    []Queue   // by name
	Workers   []Worker  // living ones first, then by start
	Running   []Job     // longest first, at most maxRunning
	Groups    []Group   // of the dead-letter list, latest first, at most maxGroups
	Jobs      map[string]Detail
	Rows      map[string]Job
	Broker    Broker
	DoneToday int64 // attempts since midnight UTC
	Ops       []Operation
	Problems  []Problem
}

// Lost reports whether the database is away, so that this is the last that was
// known.
func (s *Snapshot) Lost() bool { return len(s.Problems) > 0 && s.Problems[0].Kind == NoDatabase }

// Limits of what a snapshot lists.
const (
	maxRunning = 500
	maxGroups  = 200
	maxWorkers = 500
	maxWatched = 500 // jobs in lists
	maxDetails = 100 // jobs with all that ffmpeg said
)

// Queue is how a queue fares.
type Queue struct {
	Name      string
	Waiting   int64 // due
	Scheduled int64 // not due yet
	Running   int64
	Stuck     int64
	Dead      int64
	Oldest    time.Duration // how long the first of the waiting ones waits
	Arrived15 int64         // in the last 15 minutes
	Done15    int64         // attempts
	Failed15  int64         // attempts
	Died15    int64         // jobs that died in the last 15 minutes and are still dead
	LastStart time.Time     // of the attempts that run or ended in the last 15 minutes; zero: none
	WaitP50   time.Duration // of the jobs that were first claimed in the last 15 minutes
	WaitP95   time.Duration
	RunP50    time.Duration // of the attempts that were done in the last 15 minutes
	RunP95    time.Duration
	Realtime  float64 // seconds of video encoded in a second of an encoder's work, of the latest jobs; 0: not known
	Consumers int64   // living workers that take from it
	Slots     int64
	Pause     *Pause
	Drain     drain.Result
	Spark     []float64 // waiting, by minute, the last hour
	Messages  int64     // wake-ups on the bus
	Poison    int64     // messages that nobody could read, ever
}

// Pause says who stopped a queue, and why.
type Pause struct {
	Reason string
	Who    string
	Since  time.Time
}

// WorkerState is how a worker is shown.
type WorkerState string

// The states. A late worker has missed two reports; a crashed one has been
// silent for ten.
const (
	Online   WorkerState = "online"
	Draining WorkerState = "draining"
	Late     WorkerState = "late"
	Crashed  WorkerState = "crashed"
	Exited   WorkerState = "exited"
)

// Worker is one worker process.
type Worker struct {
	ID           string
	Host         string
	PID          int64
	Version      string
	Queues       []string
	Idle         []string // of Queues: those that it leaves alone
	Slots        int
	State        WorkerState
	OrderedDrain bool
	OrderedSlots int // 0: none
	StartedAt    time.Time
	BeatAt       time.Time
	EndedAt      time.Time // zero: it lives, or died
	CPU          float64   // cores
	RSS          int64     // bytes
	ScratchFree  int64     // bytes; -1: not known
	Done         int64     // attempts since it started
	Failed       int64
	Jobs         []Job
	CPUs         []float64 // by minute, the last hour
	RSSs         []float64
	Frees        []float64
}

// Living reports whether the worker still counts on.
func (w Worker) Living() bool { return w.State == Online || w.State == Draining || w.State == Late }

// Takes reports whether the worker takes jobs of a queue now.
func (w Worker) Takes(queue string) bool {
	if w.State != Online || w.OrderedDrain {
		return false
	}
	for _, q := range w.Idle {
		if q == queue {
			return false
		}
	}
	for _, q := range w.Queues {
		if q == queue {
			return true
		}
	}
	return false
}

// Busy is how many slots are taken.
func (w Worker) Busy() int { return len(w.Jobs) }

// Free is how many slots are not.
func (w Worker) Free() int { return max(0, w.Slots-len(w.Jobs)) }

// Group are dead jobs that failed alike.
type Group struct {
	Fingerprint string // or the reason, where an older version let them die
	Reason      string
	Count       int64
	First       time.Time // when the first of them ended
	Last        time.Time
	Sample      uuid.UUID // the latest
	Workers     int64     // different ones
	Players     int64
	OldVersion  string // of the workers, the least and the greatest as text; empty when forgotten
	NewVersion  string
}

// Broker says whether Redis answers.
type Broker struct {
	OK    bool
	Since time.Time // when that began
}

// ProblemKind names what is wrong, for words and for metrics.
type ProblemKind string

// The problems, the worst first.
const (
	NoDatabase ProblemKind = "no_database"
	NoBroker   ProblemKind = "no_broker"
	NoWorkers  ProblemKind = "no_workers"
	Stalled    ProblemKind = "stalled"
	JobsStuck  ProblemKind = "jobs_stuck"
	LateWorker ProblemKind = "late_worker"
	DiskLow    ProblemKind = "disk_low"
	Paused     ProblemKind = "paused"
)

// Problem is something that somebody should act on.
type Problem struct {
	Kind    ProblemKind
	Subject string // a queue, a worker
	Count   int64
	Since   time.Time
}

// Urgent reports whether jobs wait because of it.
func (p Problem) Urgent() bool {
	switch p.Kind {
	case Paused, LateWorker:
		return false
	}
	return true
}

// Headline are the numbers on every page.
type Headline struct {
	Waiting, Scheduled, Running, Stuck, Dead int64
	DoneToday                                int64
	Failing                                  float64 // share of the attempts of the last 15 minutes; 0 to 1
	Ended15                                  int64
	Oldest                                   time.Duration
	Drain                                    drain.Result // of the slowest queue
	Slots, Busy                              int64
	In15, Out15                              int64
	Realtime                                 float64
}

// Headline sums all queues up.
func (s *Snapshot) Headline() Headline {
	h := Headline{DoneToday: s.DoneToday}
	var failed, ratios int64
	for _, q := range s.Queues {
		h.Waiting += q.Waiting
		h.Scheduled += q.Scheduled
		h.Running += q.Running
		h.Stuck += q.Stuck
		h.Dead += q.Dead
		h.Oldest = max(h.Oldest, q.Oldest)
		h.In15 += q.Arrived15
		h.Out15 += q.Done15
		failed += q.Failed15
		if q.Realtime > 0 {
			h.Realtime += q.Realtime
			ratios++
		}
		if worse(q.Drain, h.Drain) {
			h.Drain = q.Drain
		}
	}
	if h.Ended15 = h.Out15 + failed; h.Ended15 > 0 {
		h.Failing = float64(failed) / float64(h.Ended15)
	}
	if ratios > 0 {
		h.Realtime /= float64(ratios)
	}
	for _, w := range s.Workers {
		if w.Living() {
			h.Slots += int64(w.Slots)
			h.Busy += int64(w.Busy())
		}
	}
	return h
}

// worse orders estimates: nobody works, growing, longer, unknown, nothing to do.
func worse(a, b drain.Result) bool {
	rank := func(r drain.Result) int {
		switch r.Kind {
		case drain.NoConsumers:
			return 5
		case drain.Growing:
			return 4
		case drain.Draining:
			return 3
		case drain.Paused:
			return 2
		case drain.Unknown:
			return 1
		}
		return 0
	}
	if x, y := rank(a), rank(b); x != y {
		return x > y
	}
	return a.P90 > b.P90
}
