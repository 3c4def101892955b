package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup is a folder of the memory controller in which we may make groups.
type cgroup struct {
	version int // 1 or 2
	folder  string
	prefix  string // of the groups' names: tells ours from those of dead processes
}

// groupPrefix begins the names of groups: then the process id and the time at
// which the process started, since ids come again.
const groupPrefix = "anb-ffmpeg-"

// String names it for operators.
func (c *cgroup) String() string { return "cgroup v" + strconv.Itoa(c.version) }

// findCgroup looks for a folder that serves, below root ("/" but for tests),
// and removes empty groups that dead processes left there. It is nil, and why,
// where there is none: no controller, or no right to use it.
func findCgroup(root string) (*cgroup, error) {
	folders, version, err := cgroupFolders(root)
	if err != nil {
		return nil, fmt.Errorf("find memory cgroup: %w", err)
	}
	started, err := startTime(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("find memory cgroup: %w", err)
	}
	errs := []error{errors.New("no memory cgroup that may be used")}
	for _, folder := range folders {
		c := &cgroup{version: version, folder: folder, prefix: fmt.Sprintf("%s%d-%s-", groupPrefix, os.Getpid(), started)}
		if err := c.try(); err != nil {
			errs = append(errs, err)
			continue
		}
		c.removeDead()
		return c, nil
	}
	return nil, errors.Join(errs...)
}

// cgroupFolders returns the candidates, best first. In version 2 a folder with
// processes cannot hold groups with limits, so that those usually go beside
// our own; where it can, the controller is handed down.
func cgroupFolders(root string) (folders []string, version int, err error) {
	mine, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil, 0, err
	}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, 0, err
	}
	unified := ""
	for line := range strings.Lines(string(mine)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if slices.Contains(strings.Split(parts[1], ","), "memory") {
			if folder := mounted(string(mounts), "cgroup", "memory", parts[2]); folder != "" {
				return []string{filepath.Join(root, folder)}, 1, nil
			}
		}
		if parts[0] == "0" && parts[1] == "" {
			unified = mounted(string(mounts), "cgroup2", "", parts[2])
		}
	}
	if unified == "" {
		return nil, 2, nil
	}
	for _, folder := range []string{filepath.Join(root, unified), filepath.Join(root, filepath.Dir(unified))} {
		handed, err := os.ReadFile(filepath.Join(folder, "cgroup.subtree_control"))
		if err == nil && slices.Contains(strings.Fields(string(handed)), "memory") {
			folders = append(folders, folder)
		}
	}
	return folders, 2, nil
}

// mounted returns where the group with that path is in the file system, empty
// when nowhere. A container may see only a part of the tree.
func mounted(mountinfo, kind, option, path string) string {
	for line := range strings.Lines(mountinfo) {
		left, right, _ := strings.Cut(line, " - ")
		at, fs := strings.Fields(left), strings.Fields(right)
		if len(at) < 5 || len(fs) < 3 || fs[0] != kind {
			continue
		}
		if option != "" && !slices.Contains(strings.Split(fs[2], ","), option) {
			continue
		}
		if below, err := filepath.Rel(at[3], path); err == nil && filepath.IsLocal(below) {
			return filepath.Join(at[4], below)
		}
	}
	return ""
}

// try makes a group with a limit and removes it.
func (c *cgroup) try() error {
	g, err := c.make(DefaultMaxMemory)
	if err != nil {
		return err
	}
	return g.release()
}

// removeDead removes empty groups whose process has ended. Another worker's,
// in a container of its own, may look dead; then its next child is watched.
func (c *cgroup) removeDead() {
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		return // the next start tries again
	}
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), groupPrefix)
		parts := strings.Split(name, "-")
		if !ours || !e.IsDir() || len(parts) != 3 {
			continue
		}
		pid, err := strconv.Atoi(parts[0])
		if err != nil {
			continue
		}
		if started, err := startTime(pid); err != nil || started != parts[1] {
			_ = unix.Rmdir(filepath.Join(c.folder, e.Name())) // fails when not empty
		}
	}
}

// startTime is when the process started, in ticks since the machine did.
func startTime(pid int) (string, error) {
	const field = 22 - 3 // as proc(5) counts, after the name, which may have spaces
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= field {
		return "", fmt.Errorf("process %d: no start time", pid)
	}
	return fields[field], nil
}
