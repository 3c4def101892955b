package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestNew_RefusesMissingPrograms(t *testing.T) {
	t.Parallel()
	_, err := New(Config{}, nil)
	require.ErrorContains(t, err, "ANB_FFMPEG_FFMPEG")
	require.ErrorContains(t, err, "ANB_FFMPEG_FFPROBE")
	_, err = New(Config{FFmpeg: "no-such-program", FFprobe: "ffprobe"}, nil)
	require.Error(t, err)
	tools := scripted(t, "/bin/true")
	_, err = New(Config{FFmpeg: "/bin/true", FFprobe: "no-such-program"}, tools.log)
	require.ErrorIs(t, err, exec.ErrNotFound)
}

func TestRun_TellsHowAProgramEnded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		code   int
		signal syscall.Signal
		tail   string
	}{
		"an exit code with stderr":   {"echo first >&2; echo 'last line' >&2; exit 69", 69, 0, "first\nlast line\n"},
		"a kill":                     {"kill -9 $$", -1, syscall.SIGKILL, ""},
		"a crash":                    {"kill -SEGV $$", -1, syscall.SIGSEGV, ""},
		"control characters":         {`printf 'a\033[31mb\007\tc\377\n' >&2; exit 1`, 1, 0, "ab c\n"},
		"terminals' commands":        {`printf 'a\033]0;title\007b\033]8;;x\033\\c\033(Bd\033[1;31me\033]open' >&2; exit 1`, 1, 0, "abcdeopen\n"},
		"a last line without an end": {`printf 'cut' >&2; exit 1`, 1, 0, "cut\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scripted(t, ffmpegtest.Script(t, tt.script)).Run(t.Context(), Command{})
			exit, ok := errors.AsType[*ExitError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, ExitError{Code: tt.code, Signal: tt.signal, Tail: tt.tail}, *exit)
		})
	}
}

func TestRun_EndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		// Both ignore TERM, so that only KILL ends them.
		"that ignores TERM": `trap '' TERM; (trap '' TERM; echo $$ >pids; while :; do sleep 1000; done) & echo $! >>pids; echo ready >&2; while :; do sleep 1000; done`,
		// As AlexxIT/go2rtc#2484 reports it: the shell survives, its child does not know.
		"whose shell traps TERM": `sh -c 'echo $$ >pids; echo ready >&2; trap : TERM; sleep 300; sleep 300 & echo $! >>pids; wait; sleep 300'`,
		"that is stopped":        `echo $$ >pids; (while :; do sleep 1000; done) & echo $! >>pids; echo ready >&2; kill -STOP $$`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			began := time.Now()
			_, err := scripted(t, ffmpegtest.Script(t, script)).Run(ctx, Command{Dir: dir, OnLine: func(string) { cancel() }})
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, time.Since(began), 4*Grace)
			requireGone(t, filepath.Join(dir, "pids"))
		})
	}
}

func TestRun_KillsWhatALeaderLeavesBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := ffmpegtest.Script(t, `sleep 1000 & echo $! >pids; exit 0`)
	_, err := scripted(t, script).Run(t.Context(), Command{Dir: dir})
	require.NoError(t, err)
	requireGone(t, filepath.Join(dir, "pids"))
}

func TestLine_CanBePastedIntoAShell(t *testing.T) {
	t.Parallel()
	words := []string{"-i", "file:/srv/Ana's  video.mp4", "", "$(touch x)", "`id`", `a\b"c"`, "*", "~", "scale=w='min(1280,iw)':h=-2,format=yuv420p", "ñandú", "-y"}
	tools := scripted(t, ffmpegtest.Script(t, `for a; do printf '<%s>\n' "$a"; done`))
	c := Command{Args: words}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", tools.Line(c)).Output()
	require.NoError(t, err)
	require.Equal(t, "<"+strings.Join(c.arguments(), ">\n<")+">\n", string(out))
}

// requireGone reads process ids, one a line. A killed orphan stays a zombie
// until init reaps it; that counts as gone.
func requireGone(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	pids := strings.Fields(string(data))
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return gone(pid) }, 5*time.Second, 10*time.Millisecond, "process %s is alive", pid)
	}
}

func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}

func TestRun_TellsADeadlineFromACancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := scripted(t, ffmpegtest.Script(t, "exec sleep 1000")).Run(ctx, Command{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = scripted(t, "/bin/false").Run(ctx, Command{})
	require.ErrorIs(t, err, context.DeadlineExceeded, "a context that has ended starts nothing")
}

func TestRun_ChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	pids := filepath.Join(dir, "pids")
	script := ffmpegtest.Script(t, "echo $$ >new; mv new pids; exec sleep 1000")
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), helperScript+"="+script)
	parent.Dir = dir
	require.NoError(t, parent.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(pids); return err == nil }, 20*time.Second, 10*time.Millisecond)
	data, err := os.ReadFile(pids)
	require.NoError(t, err)
	require.False(t, gone(strings.TrimSpace(string(data))), "the child runs before its parent dies")
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	requireGone(t, pids)
	// Its cgroup stays until somebody starts again.
	if c, _ := findCgroup("/"); c != nil {
		require.Empty(t, existing(fmt.Sprintf("%s/%s%d-*", c.folder, groupPrefix, parent.Process.Pid)))
	}
}

func TestRun_GivesTheChildLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := ffmpegtest.Script(t, `env >env; read line; echo "stdin: $?" >>env; echo $$ >&2; exec sleep 1000`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var nice int
	var oom, limits []byte
	_, err := scripted(t, script).Run(ctx, Command{Dir: dir, OnLine: func(pid string) {
		defer cancel()
		n, _ := strconv.Atoi(pid)
		// Both are set from outside, soon after the start.
		for deadline := time.Now().Add(5 * time.Second); string(oom) != "500\n" && time.Now().Before(deadline); runtime.Gosched() {
			oom, _ = os.ReadFile("/proc/" + pid + "/oom_score_adj")
		}
		nice, _ = unix.Getpriority(unix.PRIO_PROCESS, n)
		limits, _ = os.ReadFile("/proc/" + pid + "/limits")
	}})
	require.ErrorIs(t, err, context.Canceled)

	env, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	require.Contains(t, string(env), "stdin: 1")
	for line := range strings.Lines(string(env)) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), "=")
		require.Contains(t, []string{"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_", "stdin: 1"}, key)
	}
	require.Contains(t, string(env), "HOME="+dir)
	require.Equal(t, 20-Niceness, nice) // the kernel answers 20 - nice
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	require.Equal(t, 20, own, "our own priority stays")
	require.Equal(t, "500\n", string(oom))
	for what, limit := range map[string]string{"cpu time": "600 +605", "file size": "83886080 +83886080", "core file size": "0 +0", "open files": "64 +64"} {
		require.Regexp(t, "(?m)^Max "+what+" +"+limit+" ", string(limits))
	}
}

func TestRun_BoundsStderr(t *testing.T) {
	t.Parallel()
	script := ffmpegtest.Script(t, `i=0; while [ $i -lt 2000 ]; do echo "error number $i" >&2; i=$((i+1)); done`)
	result, err := scripted(t, script).Run(t.Context(), Command{})
	require.NoError(t, err)
	require.LessOrEqual(t, len(result.Tail), tailBytes)
	require.Contains(t, result.Tail, "error number 1999")
	require.NotContains(t, result.Tail, "error number 1\n")
}

func TestRun_ReportsProgressOfRealEncoding(t *testing.T) {
	t.Parallel()
	ffmpegtest.Require(t)
	var reports []Progress
	result, err := installed(t).Run(t.Context(), Command{
		Args:       []string{"-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=3", "-c:v", "libx264", "-preset", "ultrafast", "-y", "out.mp4"},
		Dir:        t.TempDir(),
		OnProgress: func(p Progress) { reports = append(reports, p) },
	})
	require.NoError(t, err)
	require.NotEmpty(t, reports)
	require.True(t, result.Last.End)
	require.EqualValues(t, 90, result.Last.Frame)
	require.Positive(t, result.Last.TotalSize)
	require.InDelta(t, 3, result.Last.OutTime.Seconds(), 0.1)
	require.Equal(t, result.Last, reports[len(reports)-1])
}

func TestVersion_NamesTheProgram(t *testing.T) {
	t.Parallel()
	ffmpegtest.Require(t)
	version, err := installed(t).Version(t.Context())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(version, "ffmpeg version "), version)
	_, err = scripted(t, ffmpegtest.Script(t, "yes")).Version(t.Context())
	require.Error(t, err, "endless output is cut off")
}

func TestLines_SplitsAndBounds(t *testing.T) {
	t.Parallel()
	var got []string
	l := &lines{each: func(s string) { got = append(got, s) }}
	w := bufio.NewWriter(l)
	_, _ = w.WriteString("a\r\nb\rc\n\n" + strings.Repeat("x", maxLine+100) + "\nlast")
	require.NoError(t, w.Flush())
	l.flush()
	require.Equal(t, []string{"a", "b", "c", strings.Repeat("x", maxLine), "last"}, got)
}
