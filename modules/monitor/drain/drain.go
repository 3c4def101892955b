// Package drain estimates when a queue will be empty.
//
// What a job takes is the length of its video times a ratio that recent jobs
// tell. The estimate plays the rest of the queue many times with ratios drawn
// from those (a bootstrap), which gives a band and not a number that is wrong.
package drain

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Input is a queue at one moment. Lengths are those of videos; what is not
// above zero is unknown.
type Input struct {
	// Waiting are the lengths of videos that wait, in the order of their turn.
	Waiting []time.Duration
	// More are jobs that wait and are not in Waiting, before those.
	More Bulk
	// Running are the jobs that run now.
	Running []Running
	// Recent are the latest jobs that ended well; the first 100 count.
	Recent []Run
	// Slots is how many jobs the consumers run at once.
	Slots int
	// Paused says that no job is to start.
	Paused bool
	// Arrived and Done count jobs of the last 15 and the last 2 minutes.
	Arrived15, Done15, Arrived2, Done2 float64
}

// Bulk is many waiting jobs, when their sum is easier to have than each.
type Bulk struct {
	Count   int           // of those with a known length
	Length  time.Duration // of all of those together
	Unknown int           // further ones, whose length is unknown
}

// Running is a job that runs.
type Running struct {
	Progress float64 // 0 to 1
	Length   time.Duration
	Elapsed  time.Duration // since it started; zero: not known
}

// Run is a job that ended well.
type Run struct {
	Run    time.Duration
	Length time.Duration
}

// Kind is what there is to say.
type Kind string

// The kinds, the first that applies.
const (
	Empty       Kind = "empty"        // nothing waits or runs
	Paused      Kind = "paused"       // something waits, and an operator said that it shall
	NoConsumers Kind = "no_consumers" // something waits, and nobody takes it
	Growing     Kind = "growing"      // as many jobs arrive as are done, or more
	Unknown     Kind = "unknown"      // no job has ended lately
	Draining    Kind = "draining"
)

// Result is the estimate. P50 and P90 are above zero when Draining, and zero
// else: half the plays were over by P50, nine in ten by P90. GrowthPerMinute is
// how many jobs more arrive than are done while Growing.
type Result struct {
	Kind            Kind
	P50, P90        time.Duration
	GrowthPerMinute float64
}

// maxRecent bounds the time that an estimate takes.
const maxRecent = 100

// Estimate tells when the queue will be empty if nothing more arrives. Equal
// inputs and seeds give equal results, so that a page that is loaded again shows
// the same.
func Estimate(in Input, seed uint64) Result {
	waiting := len(in.Waiting) + max(0, in.More.Count) + max(0, in.More.Unknown)
	switch {
	case waiting+len(in.Running) == 0:
		return Result{Kind: Empty}
	case waiting > 0 && in.Paused:
		return Result{Kind: Paused}
	case waiting > 0 && in.Slots <= 0:
		return Result{Kind: NoConsumers}
	case waiting > 0 && in.growing():
		return Result{Kind: Growing, GrowthPerMinute: (in.Arrived15 - in.Done15) / 15}
	}
	recent := newSample(in.Recent)
	if len(recent.runs) == 0 {
		return Result{Kind: Unknown}
	}
	p := newPlay(in, recent, rand.New(rand.NewPCG(seed, 1)))
	ends := p.ends()
	slices.Sort(ends)
	return Result{Kind: Draining, P50: quantile(ends, 0.5), P90: quantile(ends, 0.9)}
}

// growing leaves out a burst that has ended: within two minutes nothing tells of
// it any more, although fifteen minutes still do.
func (in Input) growing() bool {
	return in.Arrived15 >= in.Done15 && in.Arrived2 >= in.Done2 && in.Arrived2 > 0
}

// quantile is at least a second: what is left is never nothing.
func quantile(sorted []float64, q float64) time.Duration {
	s := sorted[int(math.Ceil(q*float64(len(sorted))))-1]
	const most = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(max(1, min(s, most-1)) * float64(time.Second))
}
