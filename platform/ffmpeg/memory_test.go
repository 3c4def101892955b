package ffmpeg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// hungry keeps 1,000 pictures of 24 MB.
const hungry = `exec ffmpeg -v error -f lavfi -i color=s=4096x4096 -vf format=yuv420p,drawbox,loop=loop=1:size=1000 -f null -`

// grouped skips the test where no cgroup may be used.
func grouped(t *testing.T, tools *Tools) *Tools {
	t.Helper()
	if tools.cgroup == nil {
		_, err := findCgroup("/")
		t.Skipf("no cgroup here: %v", err) // the watchdog's tests run everywhere
	}
	return tools
}

func watched(_ *testing.T, tools *Tools) *Tools {
	tools.cgroup = nil
	return tools
}

func TestRun_EndsWhatEatsMemory(t *testing.T) {
	t.Parallel()
	const limit = 128 << 20
	modes := map[string]struct {
		only func(*testing.T, *Tools) *Tools
		most int64 // that was ever resident
	}{
		"in a cgroup":                       {grouped, limit + 96<<20}, // with libraries that others have paid for
		"watched":                           {watched, limit + 512<<20},
		"watched, as a child of the leader": {watched, limit + 512<<20},
	}
	for name, tt := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ffmpegtest.Require(t)
			script := "echo $$ >&2; " + hungry
			if strings.Contains(name, "child") {
				script = "echo $$ >&2; (" + hungry + "); true; exit 1"
			}
			tools := tt.only(t, scripted(t, ffmpegtest.Script(t, script)))
			tools.limits.memory = limit
			var peak atomic.Int64
			measured := make(chan struct{})
			_, err := tools.Run(t.Context(), Command{Dir: t.TempDir(), OnLine: func(pid string) {
				n, err := strconv.Atoi(pid)
				if err != nil {
					return
				}
				go func() {
					defer close(measured)
					for range time.Tick(20 * time.Millisecond) {
						now := resident(n)
						if now == 0 {
							return
						}
						peak.Store(max(peak.Load(), now))
					}
				}()
			}})
			<-measured
			exit, ok := errors.AsType[*ExitError](err)
			require.True(t, ok, "%v", err)
			require.True(t, exit.OutOfMemory)
			require.Equal(t, syscall.SIGKILL, exit.Signal)
			require.ErrorContains(t, err, "at the limit of memory")
			require.Less(t, peak.Load(), tt.most)
			require.Greater(t, peak.Load(), int64(limit/2))
		})
	}
}

func TestRun_OtherKillsAreNotForMemory(t *testing.T) {
	t.Parallel()
	for _, only := range []func(*testing.T, *Tools) *Tools{grouped, watched} {
		_, err := only(t, scripted(t, ffmpegtest.Script(t, "kill -9 $$"))).Run(t.Context(), Command{})
		exit, ok := errors.AsType[*ExitError](err)
		require.True(t, ok, "%v", err)
		require.False(t, exit.OutOfMemory)
	}
}

func TestCgroup_EndsWhatLeftTheProcessGroup(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	// Job control gives what runs in the background a group of its own.
	script := ffmpegtest.Script(t, `exec bash -c 'echo $$ >&2; until [ -e go ]; do :; done; set -m; sleep 1000 >/dev/null 2>&1 & echo $! >pids'`)
	leave := func(tools *Tools) (pids string) {
		dir := t.TempDir()
		_, err := tools.Run(t.Context(), Command{Dir: dir, OnLine: func(pid string) {
			for deadline := time.Now().Add(5 * time.Second); tools.cgroup != nil && time.Now().Before(deadline); runtime.Gosched() {
				if in, _ := os.ReadFile("/proc/" + pid + "/cgroup"); strings.Contains(string(in), groupPrefix) {
					break
				}
			}
			_ = os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
		}})
		require.NoError(t, err)
		return filepath.Join(dir, "pids")
	}
	tools := grouped(t, scripted(t, script))
	requireGone(t, leave(tools))

	data, err := os.ReadFile(leave(watched(t, tools)))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), "without a cgroup it lives on")
}

func TestCgroup_RemovesWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	tools := grouped(t, installed(t))
	own := tools.cgroup.prefix
	started, ok := strings.CutPrefix(own, groupPrefix+strconv.Itoa(os.Getpid())+"-")
	require.True(t, ok)
	tests := map[string]bool{ // the name, and whether it stays
		groupPrefix + "999999999-1-x":                    false,
		groupPrefix + strconv.Itoa(os.Getpid()) + "-1-x": false,
		groupPrefix + "x-1-" + started + "x":             true,
		own + "busy":                                     true,
	}
	for name := range tests {
		folder := filepath.Join(tools.cgroup.folder, name)
		require.NoError(t, os.Mkdir(folder, 0o700))
		t.Cleanup(func() { _ = os.Remove(folder) })
	}
	again, err := findCgroup("/")
	require.NoError(t, err)
	require.Equal(t, tools.cgroup, again)
	for name, stays := range tests {
		_, err := os.Stat(filepath.Join(tools.cgroup.folder, name))
		require.Equal(t, stays, err == nil, name)
	}
}

func TestCgroup_FallsBackToWatching(t *testing.T) {
	t.Parallel()
	tools := scripted(t, "/bin/true")
	tools.cgroup = &cgroup{version: 2, folder: "/no/such/folder", prefix: "x"}
	_, err := tools.Run(t.Context(), Command{})
	require.NoError(t, err)
}

// tree makes the files that findCgroup reads.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

func TestFindCgroup_KnowsWhereGroupsMayBe(t *testing.T) {
	t.Parallel()
	const (
		v2    = "proc/self/mountinfo"
		mount = "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	)
	tests := map[string]struct {
		files   map[string]string
		version int
		folder  string // empty: none
	}{
		"version 2, beside us, as systemd delegates": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/anb.service/main\n", v2: mount,
			"sys/fs/cgroup/system.slice/anb.service/cgroup.subtree_control":      "cpu memory pids\n",
			"sys/fs/cgroup/system.slice/anb.service/main/cgroup.subtree_control": "\n",
		}, 2, "sys/fs/cgroup/system.slice/anb.service"},
		"version 2, below us": {map[string]string{
			"proc/self/cgroup": "0::/a\n", v2: mount,
			"sys/fs/cgroup/cgroup.subtree_control": "memory\n", "sys/fs/cgroup/a/cgroup.subtree_control": "memory\n",
		}, 2, "sys/fs/cgroup/a"},
		"version 2, a container's root": {map[string]string{
			"proc/self/cgroup": "0::/\n", v2: mount, "sys/fs/cgroup/cgroup.subtree_control": "\n",
		}, 2, ""},
		"version 2 without the controller": {map[string]string{
			"proc/self/cgroup": "0::/a\n", v2: mount, "sys/fs/cgroup/cgroup.subtree_control": "cpu\n",
		}, 2, ""},
		"version 1 beside an empty version 2": {map[string]string{
			"proc/self/cgroup":          "4:cpu,memory:/x/y\n0::/\n",
			v2:                          "34 30 0:31 / /sys/fs/cgroup/m rw - cgroup cgroup rw,cpu,memory\n" + mount,
			"sys/fs/cgroup/m/x/y/tasks": "",
		}, 1, "sys/fs/cgroup/m/x/y"},
		"version 1, of which a container sees a part": {map[string]string{
			"proc/self/cgroup":               "4:memory:/docker/1234/sub\n",
			v2:                               "34 30 0:31 /docker/1234 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/sub/tasks": "",
		}, 1, "sys/fs/cgroup/memory/sub"},
		"outside of what is mounted": {map[string]string{
			"proc/self/cgroup": "0::/../other\n", v2: "30 22 0:27 /mine /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		}, 2, ""},
		"nothing mounted": {map[string]string{"proc/self/cgroup": "0::/\n", v2: ""}, 2, ""},
		"no proc":         {nil, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, tt.files)
			c, err := findCgroup(root)
			if tt.folder == "" {
				require.Error(t, err)
				require.Nil(t, c)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.version, c.version)
			require.Equal(t, filepath.Join(root, tt.folder), c.folder)
			left, err := filepath.Glob(c.folder + "/" + groupPrefix + "*")
			require.NoError(t, err)
			require.Empty(t, left, "nothing stays of the trial")
		})
	}
}

// A tree of files stands for version 2 where the machine has version 1.
func TestCgroup_SpeaksVersion2(t *testing.T) {
	t.Parallel()
	c := &cgroup{version: 2, folder: t.TempDir(), prefix: groupPrefix}
	g, err := c.adopt(os.Getpid(), 5<<20)
	require.NoError(t, err)
	read := func(file string) string {
		data, err := os.ReadFile(filepath.Join(g.folder, file))
		require.NoError(t, err)
		return string(data)
	}
	require.Equal(t, strconv.Itoa(os.Getpid()), read("cgroup.procs"))
	require.Equal(t, "5242880", read("memory.max"))
	require.NoFileExists(t, filepath.Join(g.folder, "memory.swap.max"), "this kernel does not count swap")
	for file, value := range map[string]string{"memory.swap.max": "max", "memory.oom.group": "0", "cgroup.kill": ""} {
		require.NoError(t, g.write(file, value))
	}
	require.NoError(t, g.limit(6<<20))
	require.Equal(t, "0", read("memory.swap.max"))
	require.Equal(t, "1", read("memory.oom.group"))
	require.False(t, g.exceeded())
	require.NoError(t, g.write("memory.events", "low 0\noom 1\noom_kill 1\n"))
	require.True(t, g.exceeded())
	g.end()
	require.Equal(t, "1", read("cgroup.kill"))
	require.NoError(t, g.release())
	require.NoDirExists(t, g.folder)
}
