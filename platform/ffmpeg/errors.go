package ffmpeg

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ExitError says how a program ended that was not asked to.
type ExitError struct {
	Code int // exit code, -1 when a signal ended it
	// Signal is the one that ended it, 0 when none: XCPU at the limit of CPU
	// time, also where ffmpeg caught it and ended by itself, XFSZ at that of a
	// file's size.
	Signal      syscall.Signal
	OutOfMemory bool   // killed at the limit of memory
	Tail        string // the last 8 KiB of stderr, without control characters
}

// Error gives the code or signal and the last line of stderr.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	if e.OutOfMemory {
		how += " at the limit of memory"
	}
	last := strings.TrimSpace(e.Tail)
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	if last == "" {
		return how
	}
	return how + ": " + last
}

// exitError reads the state of a program that ended badly within limits l.
func exitError(state *os.ProcessState, l limits, tail string) *ExitError {
	e := &ExitError{Code: state.ExitCode(), Tail: tail}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	// The kernel counts ticks for the limit and more exactly for us.
	const ffmpegEndedByASignal = 255
	used := state.UserTime() + state.SystemTime()
	caught := e.Code == ffmpegEndedByASignal && used >= l.cpu/2
	ignored := e.Signal == syscall.SIGKILL && used >= l.cpu
	if caught || ignored {
		e.Signal = syscall.SIGXCPU
	}
	return e
}
