//go:build crashpoints

package crash

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	killVariable  = "ANB_CRASH_AT"
	stallVariable = "ANB_STALL_AT"
	panicVariable = "ANB_PANIC_AT"
	stopVariable  = "ANB_STOP_AT"
)

// Variables are the environment variables that arm points.
func Variables() []string { return []string{killVariable, stallVariable, panicVariable, stopVariable} }

// fuse burns down each time its point is passed.
type fuse struct {
	point Point // "": not armed
	left  atomic.Int64
}

var kill, stall, panics, stop = fuseOf(killVariable), fuseOf(stallVariable), fuseOf(panicVariable), fuseOf(stopVariable)

// fuseOf reads a variable when its fuse is first asked for. What it cannot
// understand is a panic, lest a test believe that it was armed.
func fuseOf(variable string) func() *fuse {
	return sync.OnceValue(func() *fuse {
		f := &fuse{}
		value := os.Getenv(variable)
		if value == "" {
			return f
		}
		name, times, counted := strings.Cut(value, ":")
		n := 1
		if counted {
			n, _ = strconv.Atoi(times)
		}
		if !slices.Contains(points[:], Point(name)) || n < 1 {
			panic(fmt.Sprintf("%s=%s is not point or point:times", variable, value))
		}
		f.point = Point(name)
		f.left.Store(int64(n))
		return f
	})
}

// due reports whether p is passed for the time that was asked for; that is so
// once.
func (f *fuse) due(p Point) bool { return f.point == p && f.left.Add(-1) == 0 }

// At kills or stops this process, stalls this goroutine or panics if that is
// due at p.
func At(p Point) {
	if kill().due(p) {
		fmt.Fprintf(os.Stderr, "crash point %s reached\n", p)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens until the signal has arrived
	}
	if stall().due(p) {
		fmt.Fprintf(os.Stderr, "stall point %s reached\n", p)
		select {}
	}
	if stop().due(p) {
		fmt.Fprintf(os.Stderr, "stop point %s reached\n", p)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if panics().due(p) {
		panic(fmt.Sprintf("panic point %s reached", p))
	}
}
