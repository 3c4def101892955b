package processing

import (
	"bufio"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMeasure_CountsChildrenAliveAndEnded(t *testing.T) {
	t.Parallel()
	before, err := measure()
	require.NoError(t, err)
	require.Greater(t, before.rss, int64(1<<20))

	// A child that has used 0.2 s of CPU, says so, and stays until its input ends.
	child := exec.CommandContext(t.Context(), "bash", "-c", `
		while read -r -a s </proc/$$/stat && (( s[13] < 20 )); do for ((i = 0; i < 20000; i++)); do :; done; done
		echo ready; read -r _; true`)
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)

	alive, err := measure()
	require.NoError(t, err)
	require.GreaterOrEqual(t, alive.cpu-before.cpu, 150*time.Millisecond, "of a child that runs")

	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
	ended, err := measure()
	require.NoError(t, err)
	require.GreaterOrEqual(t, ended.cpu-before.cpu, 150*time.Millisecond, "what a child has used stays when it ends")
}

func TestCores_IsTheMeanAndNeverNegative(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1.5, cores(resources{cpu: time.Second}, resources{cpu: 16 * time.Second}, 10*time.Second), 1e-9)
	require.Zero(t, cores(resources{cpu: time.Second}, resources{}, time.Second))
	require.Zero(t, cores(resources{}, resources{cpu: time.Second}, 0))
}
