//go:build e2e && compose

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stack is a checkout of the project in which an operator types commands, and
// the containers that come of them.
type stack struct {
	t   *testing.T
	dir string
}

// home is where visitors find the stack, board where operators do.
const (
	home  = "http://localhost"
	board = "http://localhost:5555"
)

// newStack clones the commit that is checked out, by way of a bare repository
// that updates can be pulled from. It fails without an engine, and when the
// engine has such containers already: the names are fixed, and they may be
// somebody's.
func newStack(t *testing.T) *stack {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=anb").CombinedOutput()
	require.NoError(t, err, "the test needs a Docker engine and docker-compose: %s", out)
	require.Empty(t, string(out), "the engine has containers of a project anb; they must be taken down first")
	root := t.TempDir()
	s := &stack{t: t, dir: filepath.Join(root, "anb")}
	top, err := filepath.Abs("../..")
	require.NoError(t, err)
	s.in(root, "git clone -q --bare "+top+" origin.git && git -C origin.git symbolic-ref HEAD refs/heads/main &&"+
		" git -C origin.git update-ref refs/heads/main $(git -C "+top+" rev-parse HEAD) && git clone -q origin.git anb")
	t.Cleanup(s.remove)
	return s
}

// remove takes away everything that the test has made on the engine.
func (s *stack) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if s.t.Failed() {
		out, _ := s.command(ctx, s.dir, "docker-compose ps -a; docker-compose logs --no-color --tail 40").CombinedOutput()
		s.t.Logf("what was there:\n%s", out)
	}
	out, err := s.command(ctx, s.dir, "docker-compose --profile '*' down -v --remove-orphans --timeout 5").CombinedOutput()
	if err != nil {
		s.t.Errorf("take the stack down: %v: %s", err, out)
	}
}

func (s *stack) command(ctx context.Context, dir, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "--norc", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// in runs a script that must succeed, and returns what it wrote to its standard
// output.
func (s *stack) in(dir, script string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	stdout, all := &output{}, &output{}
	cmd := s.command(ctx, dir, script)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout, all), all
	began := time.Now()
	err := cmd.Run()
	require.NoError(s.t, err, "%s\n%s", script, all)
	s.t.Logf("%5.1f s  %s", time.Since(began).Seconds(), strings.TrimSpace(script))
	return stdout.String()
}

// run is in, in the checkout.
func (s *stack) run(script string) string {
	s.t.Helper()
	return s.in(s.dir, script)
}

// follow runs a script that never ends, until it has said something.
func (s *stack) follow(script string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	out := &output{}
	cmd := s.command(ctx, s.dir, script)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(s.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	require.Eventually(s.t, func() bool { return out.String() != "" }, 50*time.Second, 50*time.Millisecond, "%s said nothing", script)
	select {
	case err := <-ended:
		require.Failf(s.t, "it ended", "%s: %v: %s", script, err, out)
	default:
	}
	cancel()
	<-ended
	s.t.Logf("follows  %s", strings.TrimSpace(script))
}

// container is what the engine says of a container.
type container struct {
	ID, Name string
	State    struct {
		Status   string
		Pid      int
		ExitCode int
		Health   *struct{ Status string }
	}
	RestartCount int
	Config       struct {
		User, Image string
		Labels      map[string]string
	}
	HostConfig struct {
		CapDrop, CapAdd, SecurityOpt []string
		ReadonlyRootfs               bool
		Memory, NanoCpus, PidsLimit  int64
		RestartPolicy                struct{ Name string }
		LogConfig                    struct{ Config map[string]string }
		PortBindings                 map[string][]struct{ HostIP, HostPort string }
	}
	Mounts []struct {
		Destination, Source, Type string
		RW                        bool
	}
}

// service returns the containers of a service that exist, or of all services.
func (s *stack) service(names ...string) (all []container) {
	s.t.Helper()
	ids := strings.Fields(s.quiet("docker-compose ps -aq " + strings.Join(names, " ")))
	if len(ids) == 0 {
		return nil
	}
	require.NoError(s.t, json.Unmarshal([]byte(s.quiet("docker inspect "+strings.Join(ids, " "))), &all))
	return all
}

// quiet is run without a line in the log.
func (s *stack) quiet(script string) string {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd := s.command(s.t.Context(), s.dir, script)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(s.t, err, "%s: %s", script, &stderr)
	return string(out)
}

// name is the service that the container is of.
func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }

// healthy waits until all containers of the services are up and well, and those
// that only prepare have ended.
func (s *stack) healthy(within time.Duration, names ...string) {
	s.t.Helper()
	var ill []string
	if !assert.Eventually(s.t, func() bool {
		ill = nil
		for _, c := range s.service(names...) {
			if !c.well() {
				ill = append(ill, fmt.Sprint(c.Name, " is ", c.State.Status, ", health ", c.State.Health))
			}
		}
		return ill == nil
	}, within, 200*time.Millisecond) {
		require.FailNow(s.t, "not healthy", "%v", ill)
	}
}

func (c container) well() bool {
	if name := c.service(); name == "init" || name == "migrate" {
		return c.State.Status == "exited" && c.State.ExitCode == 0
	}
	return c.State.Status == "running" && c.State.Health != nil && c.State.Health.Status == "healthy"
}

// processes returns the processes of a container: the first one and all below.
func (c container) processes() (pids []int) {
	pids = []int{c.State.Pid}
	for i := 0; i < len(pids); i++ {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[i], pids[i]))
		if err != nil {
			continue // it has ended
		}
		for _, f := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// anonymous is the memory of a container's processes that no file backs, in
// bytes.
func (c container) anonymous(t *testing.T) (sum int64) {
	t.Helper()
	for _, pid := range c.processes() {
		sum += anonymous(t, pid)
	}
	return sum
}

// crash kills a container's first process from outside, as the kernel does when
// there is no memory: "docker kill" would tell the engine that it is meant.
func (s *stack) crash(c container) {
	s.t.Helper()
	err := syscall.Kill(c.State.Pid, syscall.SIGKILL)
	require.True(s.t, err == nil || errors.Is(err, syscall.ESRCH), "%v", err)
}
