package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

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
