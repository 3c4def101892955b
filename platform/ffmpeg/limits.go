package ffmpeg

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of every run, beside those of Config. Address space is not among
// them: ffmpeg reserves far more than it uses, and fails.
const (
	// maxFileBytes is somewhat above the largest output, 60 MB and its cards.
	maxFileBytes = 80 << 20
	// maxOpenFiles is several times what a run with three inputs opens.
	maxOpenFiles = 64
	// probeOpenFiles, as ffprobe has one input and writes no file.
	probeOpenFiles = 32
	// lastWarning is the CPU time between XCPU, which ffmpeg takes as a wish,
	// and KILL.
	lastWarning = 5 * time.Second

	// DefaultMaxMemory and DefaultMaxCPU are used where Config says 0. A job
	// was measured to need 160 MB and 16 s of CPU, in 4K with HDR 350 MB.
	DefaultMaxMemory = 1 << 30
	DefaultMaxCPU    = 10 * time.Minute
)

// limits of one run.
type limits struct {
	cpu       time.Duration
	memory    int64 // bytes
	fileBytes uint64
	openFiles uint64
}

// probeLimits are l for a program that only looks.
func (l limits) probing() limits {
	l.cpu = min(l.cpu, ProbeTimeout)
	l.fileBytes = 0
	l.openFiles = probeOpenFiles
	return l
}

// apply sets all but the memory's. The child runs already, some milliseconds;
// what it starts until then goes without.
func (l limits) apply(pid int) error {
	cpu := uint64(math.Ceil(l.cpu.Seconds()))
	for _, r := range []struct {
		name     string
		resource int
		limit    unix.Rlimit
	}{
		{"CPU time", unix.RLIMIT_CPU, unix.Rlimit{Cur: cpu, Max: cpu + uint64(lastWarning.Seconds())}},
		{"file size", unix.RLIMIT_FSIZE, unix.Rlimit{Cur: l.fileBytes, Max: l.fileBytes}},
		{"open files", unix.RLIMIT_NOFILE, unix.Rlimit{Cur: l.openFiles, Max: l.openFiles}},
		{"core dumps", unix.RLIMIT_CORE, unix.Rlimit{}},
	} {
		if err := unix.Prlimit(pid, r.resource, &r.limit, nil); err != nil {
			return fmt.Errorf("limit %s of child: %w", r.name, err)
		}
	}
	return nil
}
