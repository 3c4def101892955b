package processing

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// childrenOf lists the processes that this one, or one of its, has started and
// that still are there, zombies too. Its own servers are among them.
func childrenOf(t *testing.T) map[string]string {
	t.Helper()
	parents := map[string]string{}
	names := map[string]string{}
	folders, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, folder := range folders {
		stat, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			continue // it has just ended
		}
		// The name is in parentheses and may hold anything; state and parent follow.
		end := strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[end+1:]))
		pid := filepath.Base(folder)
		parents[pid], names[pid] = fields[1], string(stat[:end+1])
	}
	self, found := strconv.Itoa(os.Getpid()), map[string]string{}
	for pid := range parents {
		for up := parents[pid]; up != ""; up = parents[up] {
			if up == self {
				found[pid] = names[pid]
				break
			}
		}
	}
	return found
}

// filesOf lists everything below a folder, with its size and time.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "assets") {
			return err // someone may be at work on them
		}
		found[name] = fmt.Sprintf("%d bytes, %s, %s", info.Size(), info.Mode(), info.ModTime())
		return err
	}))
	return found
}

func TestChildrenOf_SeesWhatIsLeft(t *testing.T) {
	t.Parallel()
	program := startSleeper(t)
	require.Contains(t, childrenOf(t), program)
}

// startSleeper starts a process that waits to be killed and returns its id.
func startSleeper(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return strconv.Itoa(cmd.Process.Pid)
}
