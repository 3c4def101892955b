package cmd

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// reading is a restore --check that waits for the second half of a manifest.
func reading(t *testing.T, name string, args ...string) (c *exec.Cmd, in io.WriteCloser, problems *bytes.Buffer) {
	t.Helper()
	c, problems = exec.CommandContext(t.Context(), name, append(args, "restore", "--check", "-")...), new(bytes.Buffer)
	c.Env, c.Stderr = []string{"ANB_TEST_AS_PROGRAM=1"}, problems
	in, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	archive := tar.NewWriter(in)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: 1 << 20}))
	_, err = archive.Write(make([]byte, 1<<19)) // more than a pipe holds: it reads
	require.NoError(t, err)
	return c, in, problems
}

func TestSignal_ATerminalThatGoesAwayEndsACommandInOrder(t *testing.T) {
	t.Parallel()
	// Whoever started the tests may have had them ignore it, and a child would too;
	// what is caught here is as usual there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	self, err := os.Executable()
	require.NoError(t, err)
	c, _, problems := reading(t, self)
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	require.Eventually(t, func() bool {
		_ = c.Process.Signal(syscall.SIGHUP) // it may have ended
		return len(ended) == 1
	}, 10*time.Second, time.Millisecond)
	require.EqualError(t, <-ended, "exit status 1")
	require.Contains(t, problems.String(), "interrupted, the archive was not read to its end")
}

func TestSignal_NohupIsRespected(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	c, in, problems := reading(t, "sh", "-c", `trap "" HUP; exec "$0" "$@"`, self)
	require.NoError(t, c.Process.Signal(syscall.SIGHUP))
	_, err = in.Write(make([]byte, 1<<19))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.EqualError(t, c.Wait(), "exit status 1")
	require.Contains(t, problems.String(), "the archive is damaged")
}

func TestSignal_NobodyNeedReadWhatACommandSays(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, args := range [][]string{{"restore", "--check", "/dev/null"}, {"backup", "--to", "/dev/null"}} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		c := exec.CommandContext(t.Context(), self, args...)
		c.Env, c.Stderr = []string{"ANB_TEST_AS_PROGRAM=1"}, w
		require.ErrorContains(t, c.Run(), "exit status", args)
		require.NoError(t, w.Close())
	}
}
