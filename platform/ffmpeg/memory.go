package ffmpeg

import (
	"context"
	"log/slog"
)

// memoryGuard keeps one run within its memory.
type memoryGuard interface {
	// exceeded reports whether something was killed for its memory.
	exceeded() bool
	// end kills what still runs, and is called before the leader is reaped.
	end()
	// release gives back what the guard itself took, after the leader is reaped.
	release() error
}

// guardMemory puts the group into a cgroup of its own, where the kernel keeps
// the limit. Where there is none, it watches.
func (t *Tools) guardMemory(ctx context.Context, g *group, limit int64) memoryGuard {
	if t.cgroup != nil {
		c, err := t.cgroup.adopt(g.pid, limit)
		if err == nil {
			return c
		}
		t.log.WarnContext(ctx, "no cgroup for child, its memory is watched instead", slog.Any("error", err))
	}
	return watch(g, limit, watchInterval)
}

// memoryMode names what keeps the limit, for operators.
func (t *Tools) memoryMode() string {
	if t.cgroup == nil {
		return "memory watched"
	}
	return t.cgroup.String()
}
