package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a killed process may keep its group busy, and how often to look.
const (
	releasePatience = 2 * time.Second
	releaseInterval = 5 * time.Millisecond
)

// runGroup is the cgroup of one run.
type runGroup struct {
	version int
	folder  string
}

// make makes an empty group with a limit in bytes.
func (c *cgroup) make(limit int64) (*runGroup, error) {
	folder, err := os.MkdirTemp(c.folder, c.prefix+"*")
	if err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	g := &runGroup{version: c.version, folder: folder}
	if err := g.limit(limit); err != nil {
		return nil, errors.Join(fmt.Errorf("limit memory of cgroup: %w", err), g.release())
	}
	return g, nil
}

// limit forbids swapping as well, where the kernel counts that.
func (g *runGroup) limit(limit int64) error {
	bytes := strconv.FormatInt(limit, 10)
	if g.version == 1 {
		return errors.Join(g.write("memory.limit_in_bytes", bytes), g.writeIfThere("memory.memsw.limit_in_bytes", bytes))
	}
	return errors.Join(g.write("memory.max", bytes), g.writeIfThere("memory.swap.max", "0"), g.writeIfThere("memory.oom.group", "1"))
}

// adopt makes a group with a limit and moves the process there.
func (c *cgroup) adopt(pid int, limit int64) (*runGroup, error) {
	g, err := c.make(limit)
	if err != nil {
		return nil, err
	}
	if err := g.write("cgroup.procs", strconv.Itoa(pid)); err != nil {
		return nil, errors.Join(fmt.Errorf("move child into cgroup: %w", err), g.release())
	}
	return g, nil
}

// exceeded reports whether the kernel killed something in the group.
func (g *runGroup) exceeded() bool {
	file := "memory.events"
	if g.version == 1 {
		file = "memory.oom_control"
	}
	data, err := os.ReadFile(filepath.Join(g.folder, file))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
			return count(f[1]) > 0
		}
	}
	return false
}

// end kills all that is in the group, also what has left the process group.
func (g *runGroup) end() {
	if g.writeIfThere("cgroup.kill", "1") == nil && g.has("cgroup.kill") {
		return
	}
	for _, pid := range g.processes() {
		g.kill(pid)
	}
}

// kill kills the process if it still is in the group: its id may have gone to
// someone else meanwhile.
func (g *runGroup) kill(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if slices.Contains(g.processes(), pid) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

func (g *runGroup) processes() []int {
	data, err := os.ReadFile(filepath.Join(g.folder, "cgroup.procs"))
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// release removes the group, as soon as what was killed in it has gone.
func (g *runGroup) release() error {
	patience := time.NewTimer(releasePatience)
	defer patience.Stop()
	for {
		// The files of a real group go with its folder, at the first try.
		err := os.RemoveAll(g.folder)
		if err == nil {
			return nil
		}
		g.end()
		select {
		case <-patience.C:
			return fmt.Errorf("remove cgroup: %w", err)
		case <-time.After(releaseInterval):
		}
	}
}

func (g *runGroup) has(file string) bool {
	_, err := os.Stat(filepath.Join(g.folder, file))
	return err == nil
}

func (g *runGroup) write(file, value string) error {
	return os.WriteFile(filepath.Join(g.folder, file), []byte(value), 0o600)
}

func (g *runGroup) writeIfThere(file, value string) error {
	if !g.has(file) {
		return nil
	}
	return g.write(file, value)
}
