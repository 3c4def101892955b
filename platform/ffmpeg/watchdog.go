package ffmpeg

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// watchInterval is the time between two looks. In it a program that only eats
// memory gets about 200 MB further.
const watchInterval = 100 * time.Millisecond

// watchdog kills a group whose resident memory is above a limit.
type watchdog struct {
	killed  atomic.Bool
	stop    chan struct{}
	stopped chan struct{}
}

// watch begins at once.
func watch(g *group, limit int64, every time.Duration) *watchdog {
	w := &watchdog{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				if resident(g.pid) > limit && g.signal(syscall.SIGKILL) == nil {
					w.killed.Store(true)
					return
				}
			}
		}
	}()
	return w
}

func (w *watchdog) exceeded() bool { return w.killed.Load() }

func (w *watchdog) end() {
	close(w.stop)
	<-w.stopped
}

func (w *watchdog) release() error { return nil }

// resident is the memory that a process and its descendants hold, in bytes.
// Pages that several of them share count for each. Processes that end
// meanwhile count nothing.
func resident(pid int) int64 {
	proc := "/proc/" + strconv.Itoa(pid)
	var pages int64
	if statm, err := os.ReadFile(proc + "/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages = count(fields[1])
		}
	}
	bytes := pages * int64(os.Getpagesize())
	for _, task := range existing(proc + "/task/*/children") {
		children, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				bytes += resident(pid)
			}
		}
	}
	return bytes
}
