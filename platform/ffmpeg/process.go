package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// job is one process to run.
type job struct {
	program string
	args    []string
	dir     string // empty: the temporary directory
	stdout  io.Writer
	onLine  func(string)
}

// run starts j, waits for it, and leaves nothing of it behind.
//
// The kernel ties a child's parent-death signal, and its niceness, to the
// *thread* that started it. So one locked goroutine lowers its own priority,
// starts the child and stays until it has ended; it never unlocks, so its
// thread, which may not be raised again, dies with it.
func (t *Tools) run(ctx context.Context, j job) (*tail, error) {
	errs := &tail{each: j.onLine}
	if err := ctx.Err(); err != nil {
		return errs, err
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, Niceness); err != nil {
			t.log.DebugContext(ctx, "priority of child not lowered", slog.Any("error", err))
		}
		done <- t.supervise(ctx, j, errs)
	}()
	err := <-done
	errs.flush()
	switch {
	case err == nil:
		return errs, nil
	case ctx.Err() != nil:
		return errs, ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return errs, exitError(exit.ProcessState, errs.text())
	}
	return errs, err
}

func exitError(state *os.ProcessState, tail string) *ExitError {
	e := &ExitError{Code: state.ExitCode(), Tail: tail}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	return e
}

// supervise must run on a locked thread.
func (t *Tools) supervise(ctx context.Context, j job, errs *tail) error {
	dir := j.dir
	if dir == "" {
		dir = os.TempDir()
	}
	group := &group{}
	cmd := exec.CommandContext(ctx, j.program, j.args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C"}
	cmd.Stdout = j.stdout
	cmd.Stderr = errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return group.signal(syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	group.mu.Lock() // Cancel must not look before the pid is known
	err := cmd.Start()
	if err == nil {
		group.pid = cmd.Process.Pid
	}
	group.mu.Unlock()
	if err != nil {
		return fmt.Errorf("start %s: %w", j.program, err)
	}
	preferForOOM(group.pid)
	// While the leader is a zombie its number, and so the group's, cannot be
	// given to anyone else: what it left running is killed before it is reaped.
	if err := awaitExit(group.pid); err != nil {
		t.log.WarnContext(ctx, "wait for child without reaping", slog.Any("error", err))
	}
	group.end()
	return cmd.Wait()
}

// awaitExit blocks until the child has ended and leaves it a zombie.
func awaitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// preferForOOM makes the kernel kill the child before us when memory runs
// out. Raising the score needs no privilege; where it fails nothing is lost.
func preferForOOM(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}

// group is a process group whose leader may already be reaped.
type group struct {
	mu   sync.Mutex
	pid  int
	over bool
}

// signal sends sig to all of the group, if it is still ours.
func (g *group) signal(sig syscall.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.pid == 0 {
		return os.ErrProcessDone
	}
	if err := unix.Kill(-g.pid, sig); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return os.ErrProcessDone
		}
		return fmt.Errorf("send %s to process group %d: %w", sig, g.pid, err)
	}
	return nil
}

// end kills what is left of the group and forgets it.
func (g *group) end() {
	_ = g.signal(syscall.SIGKILL)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}
