package ffmpeg

import (
	"fmt"
	"strings"
	"syscall"
)

// ExitError says how a program ended that was not asked to.
type ExitError struct {
	Code   int            // exit code, -1 when a signal ended it
	Signal syscall.Signal // the signal that ended it, 0 when none
	Tail   string         // the last 8 KiB of stderr, without control characters
}

// Error gives the code or signal and the last line of stderr.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
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
