//go:build e2e

package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
)

// faultsJSON makes the fault suite complete: every case, with all its rounds.
// Without it a selection runs, each case once or a few times.
var faultsJSON = flag.String("faults.json", "", "run the whole fault suite and write its results to this file")

// full tells whether the whole fault suite runs.
func full() bool { return *faultsJSON != "" }

// faultCase is one way in which the world goes wrong.
type faultCase struct {
	id      string // FAULTS' number, or R and the number of the deliverable
	fault   string // what is done
	outcome string // what must be seen
	quick   bool   // is part of the normal tests
	run     func(x *experiment)
}

// measuring is the case that compares times, beside which nothing else may run.
const measuring = "F16"

// faultCases lists every case.
func faultCases() []faultCase {
	all := slices.Concat(workerFaults(), encoderFaults(), busFaults(), databaseFaults(), diskFaults(), storageFaults(),
		clientFaults(), slowFaults(), voteFaults(), requestFaults(), stopFaults(), startFaults(), schemaFaults())
	slices.SortFunc(all, func(a, b faultCase) int {
		return cmp.Or(cmp.Compare(a.id[:1], b.id[:1]), cmp.Compare(len(a.id), len(b.id)), strings.Compare(a.id, b.id))
	})
	return all
}

// TestFaults runs the experiments of the fault suite.
func TestFaults(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var (
		mu              sync.Mutex
		results, points []faultResult
	)
	t.Run("cases", func(t *testing.T) {
		for _, c := range faultCases() {
			if !c.quick && !full() {
				continue
			}
			t.Run(c.id, func(t *testing.T) {
				if c.id != measuring || !full() { // what is parallel waits for what is not
					t.Parallel()
				}
				x := &experiment{T: t}
				x.result = faultResult{ID: c.id, Fault: c.fault, Outcome: c.outcome}
				c.run(x)
				require.NotEmpty(t, x.result.Proof, "the case does not prove that its fault occurred")
				mu.Lock()
				defer mu.Unlock()
				results = append(results, x.result)
			})
		}
		for _, p := range crash.Points() {
			if !slices.Contains(telling, p) && !full() {
				continue
			}
			t.Run(string(p), func(t *testing.T) {
				t.Parallel()
				r := killedAt(t, p)
				mu.Lock()
				defer mu.Unlock()
				points = append(points, r)
			})
		}
	})
	if full() && !t.Failed() {
		writeFaults(t, began, results, points)
	}
}

func TestFaultCases_HaveTheirOwnNumbers(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range faultCases() {
		require.False(t, seen[c.id], "%s is there twice", c.id)
		seen[c.id] = true
		require.NotEmpty(t, c.fault, c.id)
		require.NotEmpty(t, c.outcome, c.id)
	}
}

// experiment is one run of a case.
type experiment struct {
	*testing.T
	result faultResult
}

// rounds returns how often to do it: quickly, or in the whole suite.
func (x *experiment) rounds(quick, whole int) int {
	x.result.Rounds = quick
	if full() {
		x.result.Rounds = whole
	}
	return x.result.Rounds
}

// occurred notes what proves that the fault was there.
func (x *experiment) occurred(format string, args ...any) {
	if p := fmt.Sprintf(format, args...); !slices.Contains(x.result.Proof, p) {
		x.result.Proof = append(x.result.Proof, p)
	}
}

// recovered notes how long it took from the end of the fault.
func (x *experiment) recovered(since time.Time) time.Duration {
	took := time.Since(since)
	x.result.Recovery = max(x.result.Recovery, took.Round(100*time.Millisecond).Seconds())
	return took
}

// eventually is require.Eventually for what takes seconds.
func (x *experiment) eventually(within time.Duration, what string, f func() bool) {
	x.Helper()
	require.Eventually(x.T, f, within, 50*time.Millisecond, what)
}
