package processing

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// resources are what this process and its descendants use: encoders are
// children of their worker.
type resources struct {
	cpu time.Duration // since this process began; that of children which have ended is in it
	rss int64         // bytes held now; what processes share counts for each
}

// measure reads those of this process.
func measure() (u resources, err error) {
	// A child that ends in between would be missed or counted twice.
	for range 3 {
		ended, err := cpuOf(unix.RUSAGE_CHILDREN)
		if err != nil {
			return resources{}, err
		}
		u = resources{cpu: ended}
		u.addChildren(os.Getpid())
		if again, err := cpuOf(unix.RUSAGE_CHILDREN); err == nil && again == ended {
			break
		}
	}
	own, err := cpuOf(unix.RUSAGE_SELF)
	if err != nil {
		return resources{}, err
	}
	stat, err := statOf(os.Getpid())
	if err != nil {
		return resources{}, fmt.Errorf("measure memory: %w", err)
	}
	u.cpu += own
	u.rss += int64(stat.ResidentMemory())
	return u, nil
}

func cpuOf(who int) (time.Duration, error) {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		return 0, fmt.Errorf("measure CPU: %w", err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

func statOf(pid int) (procfs.ProcStat, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return p.Stat()
}

// clockTick is the unit of CPU time in /proc, on every architecture that Go knows.
const clockTick = time.Second / 100

// addChildren adds the living descendants of a process.
func (u *resources) addChildren(pid int) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children") // fails for bad patterns only
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // ended meanwhile
		}
		for _, field := range strings.Fields(string(children)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			if s, err := statOf(child); err == nil {
				u.cpu += clockTick * time.Duration(int(s.UTime+s.STime)+s.CUTime+s.CSTime)
				u.rss += int64(s.ResidentMemory())
			}
			u.addChildren(child)
		}
	}
}

// cores is how many cores were in use on average in the time that two
// measurements, the earlier one first, are apart.
func cores(before, after resources, apart time.Duration) float64 {
	if apart <= 0 {
		return 0
	}
	return max(0, (after.cpu-before.cpu).Seconds()/apart.Seconds())
}
