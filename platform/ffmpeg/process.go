package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// job is one process to run.
type job struct {
	program string // absolute
	args    []string
	dir     string   // working directory, the only place to write; empty: nowhere
	reads   []string // further files and folders to read
	limits  limits
	stdout  io.Writer
	onLine  func(string)
}

// nowhere is the home of children that write nothing.
const nowhere = "/"

func (j job) workingDir() string {
	if j.dir == "" {
		return nowhere
	}
	return j.dir
}

// run starts j, waits for it, and leaves nothing of it behind.
func (t *Tools) run(ctx context.Context, j job) (*tail, error) {
	errs := &tail{each: j.onLine}
	if err := ctx.Err(); err != nil {
		return errs, err
	}
	c := &child{
		job: j, confinement: t.confinement, stderr: errs, group: &group{},
		started: make(chan struct{}), exited: make(chan struct{}), reap: make(chan struct{}), done: make(chan error, 1),
	}
	program, began := slog.String("program", filepath.Base(j.program)), time.Now()
	t.log.DebugContext(ctx, "program started", program)
	go c.live(ctx)
	overMemory, err := t.attend(ctx, c)
	errs.flush()
	t.log.DebugContext(ctx, "program ended", program, slog.Duration("took", time.Since(began)), slog.Bool("well", err == nil))
	switch {
	case err == nil:
		return errs, nil
	case ctx.Err() != nil:
		return errs, ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e := exitError(exit.ProcessState, j.limits, errs.text())
		e.OutOfMemory = overMemory
		return errs, e
	}
	return errs, err
}

// attend does for a child what its own thread may not once it is confined, and
// returns when it is reaped.
func (t *Tools) attend(ctx context.Context, c *child) (overMemory bool, err error) {
	select {
	case err := <-c.done:
		return false, err // never started
	case <-c.started:
	}
	if err := c.job.limits.apply(c.group.pid); err != nil && !errors.Is(err, unix.ESRCH) {
		t.log.WarnContext(ctx, "child runs without all limits", slog.Any("error", err))
	}
	preferForOOM(c.group.pid)
	guard := t.guardMemory(ctx, c.group, c.job.limits.memory)
	<-c.exited
	// While the leader is a zombie its number, and so the group's, cannot be
	// given to anyone else: what it left running is killed before it is reaped.
	guard.end()
	c.group.end()
	close(c.reap)
	err = <-c.done
	overMemory = guard.exceeded()
	if err := guard.release(); err != nil {
		t.log.WarnContext(ctx, "something of a child is left", slog.Any("error", err))
	}
	return overMemory, err
}

// child is a process with the thread that started it.
type child struct {
	job         job
	confinement confinement
	stderr      io.Writer
	group       *group
	started     chan struct{} // closed when group.pid is known
	exited      chan struct{} // closed when the process has ended
	reap        chan struct{} // closed by attend when it may be reaped
	done        chan error    // how it ended, or why it did not start
}

// live starts the child and stays until it has ended.
//
// The kernel ties a child's parent-death signal to the *thread* that started
// it, and takes its niceness and its restrictions from there. So the thread
// lowers and restricts itself first. It never unlocks, so that it dies with
// its goroutine, and the runtime starts no other thread from it.
func (c *child) live(ctx context.Context) {
	runtime.LockOSThread()
	// Fails where our own priority is lower already, and then does not matter.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, Niceness)
	cmd := c.command(ctx)
	if err := c.confinement.confine(c.job.places()); err != nil {
		c.done <- fmt.Errorf("confine %s: %w", c.job.program, err)
		return
	}
	c.group.mu.Lock() // Cancel must not look before the pid is known
	err := cmd.Start()
	if err == nil {
		c.group.pid = cmd.Process.Pid
	}
	c.group.mu.Unlock()
	if err != nil {
		c.done <- fmt.Errorf("start %s: %w", c.job.program, err)
		return
	}
	close(c.started)
	awaitExit(c.group.pid)
	close(c.exited)
	<-c.reap
	c.done <- cmd.Wait()
}

func (c *child) command(ctx context.Context) *exec.Cmd {
	dir := c.job.workingDir()
	cmd := exec.CommandContext(ctx, c.job.program, c.job.args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C"}
	cmd.Stdout = c.job.stdout
	cmd.Stderr = c.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return c.group.signal(syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	return cmd
}

// awaitExit blocks until the child has ended and leaves it a zombie. It fails
// only for what is no child of ours.
func awaitExit(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		continue
	}
}

// preferForOOM makes the kernel kill the child before us when memory runs
// out. Raising the score needs no privilege; where it fails nothing is lost.
func preferForOOM(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0)
}
