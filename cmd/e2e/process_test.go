//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a running anb. It ends with its test, and with the test's process.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs path in dir with nothing of our environment but what programs
// need, and env.
func start(t *testing.T, path, dir string, env []string, args ...string) *process {
	t.Helper()
	return startPiped(t, nil, nil, path, dir, env, args...)
}

// startPiped is start with a standard input and output, unless they are nil.
func startPiped(t *testing.T, in, out *os.File, path, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: "anb " + args[0], cmd: exec.Command(path, args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(), "GORACE=halt_on_error=1 exitcode=66"}, env...)
	if args[0] == "dev" { // which serves the dashboard too; an older program does not know the variable
		p.cmd.Env = append(p.cmd.Env, "ANB_MONITOR_ADDR=127.0.0.1:0")
	}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if in != nil {
		p.cmd.Stdin = in
	}
	if out != nil {
		p.cmd.Stdout = out
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Errorf("%s has a data race", p.name)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.out.String())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-p.done
}

// wait requires that the process ends within d and returns its exit code.
func (p *process) wait(d time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(d):
		p.t.Fatalf("%s still runs after %s:\n%s", p.name, d, p.out.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// said requires a line with pattern within patience and returns its first
// group, or the whole match.
func (p *process) said(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	require.Eventually(p.t, func() bool {
		found = re.FindStringSubmatch(p.out.String())
		select {
		case <-p.done:
			return true
		default:
			return found != nil
		}
	}, patience, 20*time.Millisecond, "%s never said %q", p.name, pattern)
	require.NotNil(p.t, found, "%s ended without saying %q:\n%s", p.name, pattern, p.out.String())
	return found[len(found)-1]
}

// base is the address of a serving process: its own log names the port that
// the system gave it, so no other server can be meant.
func (p *process) base() string {
	p.t.Helper()
	return "http://" + p.said(`msg="serving the API" addr=(\S+)`)
}

// anonymous is the process's anonymous resident memory in bytes.
func (p *process) anonymous() int64 {
	p.t.Helper()
	return anonymous(p.t, p.cmd.Process.Pid)
}

func anonymous(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	require.NoError(t, err)
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(data)
	require.NotNil(t, m)
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	require.NoError(t, err)
	return kib << 10
}

// strays lists processes whose command line mentions dir, anb itself excepted.
func strays(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, f := range all {
		data, err := os.ReadFile(f)
		if err == nil && bytes.Contains(data, []byte(dir)) && bytes.Contains(data, []byte("ffmpeg")) {
			found = append(found, string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// requireNoStrays allows a killed ffmpeg the moment it takes to go.
func requireNoStrays(t *testing.T, dir string, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool { return len(strays(t, dir)) == 0 }, within, 20*time.Millisecond, "ffmpeg outlives its worker")
}
