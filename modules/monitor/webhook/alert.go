// Package webhook tells others when the processing needs someone: Watch turns
// what the dashboard sees into alerts, and Sender posts them.
package webhook

import (
	"strconv"
	"time"
)

// Kind is what an alert is about.
type Kind string

// The kinds, and which values their alerts have.
const (
	QueueStalled Kind = "queue_stalled" // waiting, oldest_seconds, free_slots
	NoWorkers    Kind = "no_workers"    // waiting, oldest_seconds
	DeadRate     Kind = "dead_rate"     // dead, ended, share
	DiskLow      Kind = "disk_low"      // free_bytes, limit_bytes
	NoDatabase   Kind = "no_database"   // none
)

// Phase is where in its life an alert is.
type Phase string

// The phases.
const (
	Begun    Phase = "begun"
	Lasts    Phase = "lasts" // a reminder
	Resolved Phase = "resolved"
)

// Alert is one thing to tell.
type Alert struct {
	Kind    Kind
	Phase   Phase
	Subject string // the queue, or the disk's place
	Since   time.Time
	At      time.Time
	Values  map[string]float64 // as it was last wrong
	Text    string             // for people; whoever sends it writes it
}

// ID is equal for all phases of one alert, and for no other alert.
func (a Alert) ID() string {
	return string(a.Kind) + ":" + a.Subject + ":" + strconv.FormatInt(a.Since.UnixMilli(), 10)
}

// Snapshot is what the dashboard sees at one moment.
type Snapshot struct {
	Queues []Queue
	Disks  []Disk
	Blind  bool // the database does not answer: nothing is known of the rest
}

// Queue is a queue of a Snapshot.
type Queue struct {
	Name      string
	Waiting   int           // jobs that are due
	Oldest    time.Duration // how long the first of those has waited
	Running   int
	Consumers int       // workers that take jobs from it
	Slots     int       // of those workers
	Paused    bool      // by an operator
	LastStart time.Time // of any of its jobs; zero: never
	Dead      int       // jobs that died in the last 15 minutes
	Ended     int       // jobs that ended in any way in the last 15 minutes
}

// Disk is a place that may get full.
type Disk struct {
	Name string
	Free int64 // bytes
}
