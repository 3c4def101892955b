//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
)

// telling are the crash points of the normal tests.
var telling = []crash.Point{
	crash.StoreLinked, crash.UploadStored, crash.UploadRecorded, crash.DeleteCommitted, crash.VoteCounted,
	crash.EncodeRunning, crash.PublishPublished,
}

// killedAt kills the process at a point again and again: what a client was told
// is true, nothing is there twice, and whoever carries on ends the work.
func killedAt(t *testing.T, p crash.Point) faultResult {
	rounds := 1
	if full() {
		rounds = 20
	}
	o := crashLoop(t, p, rounds)
	require.Equal(t, rounds, o.Rounds)
	require.Positive(t, o.Acknowledged)
	require.Zero(t, o.Lost, "acknowledged and lost")
	require.Zero(t, o.Doubled, "there twice")
	require.LessOrEqual(t, o.Recovery, patience)
	return faultResult{ID: string(p), Rounds: o.Rounds, Acknowledged: o.Acknowledged, Recovery: o.Recovery.Round(100 * time.Millisecond).Seconds()}
}

// outcome is what came of killing the process at one point again and again.
type outcome struct {
	Rounds       int           // in which the process died at the point
	Acknowledged int           // requests that a client was told are done
	Lost         int           // of those, how many are not
	Doubled      int           // requests that were carried out twice
	Recovery     time.Duration // the longest from a death until its work was done
}

// crashLoop kills a process at p as many times as there are rounds, each time
// lets others carry on, and compares in the end what is there with what the
// clients noted.
func crashLoop(t *testing.T, p crash.Point, rounds int) outcome {
	t.Helper()
	settings := quick
	if p == crash.EncodeRunning { // so that ffmpeg's first report is not its last one
		settings = slices.Concat(quick, slow(t), []string{"ANB_ENCODER_CLIP_LENGTH=2s"})
	}
	l := newCrashLab(t, p, settings)
	round := map[string]func(){
		"upload": l.uploadRound, "store": l.uploadRound, "enqueue": l.uploadRound,
		"delete": l.deleteRound, "vote": l.voteRound,
	}[strings.Split(string(p), ".")[0]]
	if round == nil {
		round = l.workRound
	}
	for range rounds {
		round()
	}
	l.finish()
	return l.outcome
}

// armed starts anb with one variable more, ANB_CRASH_AT or ANB_STALL_AT.
func (f *fleet) armed(variable string, args ...string) *process {
	return start(f.t, f.path, f.dir, append(slices.Clone(f.env), variable), args...)
}

// requireCrashed requires that the process kills itself at the point.
func (p *process) requireCrashed(point crash.Point) {
	p.t.Helper()
	p.wait(time.Minute)
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(p.t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s: %s", p.name, p.cmd.ProcessState)
	require.Contains(p.t, p.out.String(), "crash point "+string(point)+" reached\n")
}

func TestRelease_HasNoCrashPoints(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile(release(t))
	require.NoError(t, err)
	tested, err := os.ReadFile(binary(t))
	require.NoError(t, err)
	for _, s := range []string{"ANB_CRASH_AT", "ANB_STALL_AT", string(crash.UploadStored)} {
		require.True(t, bytes.Contains(tested, []byte(s)), s)
		require.False(t, bytes.Contains(shipped, []byte(s)), s)
	}
	p := start(t, release(t), t.TempDir(), []string{"ANB_CRASH_AT=" + string(crash.UploadStored)}, "config", "check")
	require.Equal(t, 2, p.wait(time.Minute))
	require.Contains(t, p.out.String(), "unknown variable ANB_CRASH_AT")
}
