// Package ffmpeg runs ffmpeg and ffprobe at arm's length: arguments only and
// never a shell, a process group of its own that is wholly gone afterwards, a
// scrubbed environment, low priority, bounded output, CPU time and memory, and,
// as far as the kernel offers it, no file, socket or process but those of the
// job.
//
// It knows nothing of what is encoded, and works on Linux only.
package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Config names the two programs and bounds each of their runs. A name without
// a slash is looked up on PATH.
type Config struct {
	FFmpeg    string        `mapstructure:"ffmpeg"`
	FFprobe   string        `mapstructure:"ffprobe"`
	MaxMemory int64         `mapstructure:"max_memory"` // bytes; 0: DefaultMaxMemory
	MaxCPU    time.Duration `mapstructure:"max_cpu"`    // of all threads, in whole seconds; 0: DefaultMaxCPU
}

// Validate reports every problem at once. It does not look for the programs;
// New does.
func (c Config) Validate() error {
	var errs []error
	if c.FFmpeg == "" {
		errs = append(errs, errors.New("ffmpeg.ffmpeg is empty; name the program, such as ffmpeg (ANB_FFMPEG_FFMPEG)"))
	}
	if c.FFprobe == "" {
		errs = append(errs, errors.New("ffmpeg.ffprobe is empty; name the program, such as ffprobe (ANB_FFMPEG_FFPROBE)"))
	}
	if c.MaxMemory != 0 && c.MaxMemory < minMemory {
		errs = append(errs, fmt.Errorf("ffmpeg.max_memory is %d; use bytes, %d at least, or 0 for the default (ANB_FFMPEG_MAX_MEMORY)", c.MaxMemory, int64(minMemory)))
	}
	if c.MaxCPU != 0 && c.MaxCPU < time.Second {
		errs = append(errs, fmt.Errorf("ffmpeg.max_cpu is %s; use 1s at least, such as 10m, or 0 for the default (ANB_FFMPEG_MAX_CPU)", c.MaxCPU))
	}
	return errors.Join(errs...)
}

func (c Config) limits() limits {
	return limits{
		cpu: cmp.Or(c.MaxCPU, DefaultMaxCPU), memory: cmp.Or(c.MaxMemory, DefaultMaxMemory),
		fileBytes: maxFileBytes, openFiles: maxOpenFiles,
	}
}

// Limits of every run, whatever the caller asks for.
const (
	// Grace is the time between TERM and KILL when a run is to end. What an
	// ended run has written is thrown away, so there is nothing to wait for.
	Grace = time.Second
	// ProbeTimeout bounds each look at a file.
	ProbeTimeout = 15 * time.Second
	// Niceness is the scheduling priority of children: below everything else.
	Niceness = 10

	minMemory = 16 << 20 // ffmpeg's libraries alone take most of it
	tailBytes = 8 << 10
)

// Tools runs the two programs. It is safe for concurrent use.
type Tools struct {
	ffmpeg, ffprobe string // absolute paths
	limits          limits
	confinement     confinement
	cgroup          *cgroup // nil: none that may be used
	log             *slog.Logger
}

// New finds the programs, and what the kernel offers to confine them; it fails
// when a program is not there. What the kernel lacks it logs.
func New(c Config, log *slog.Logger) (*Tools, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		return nil, errors.New("ffmpeg needs a logger")
	}
	ffmpeg, err := exec.LookPath(c.FFmpeg)
	if err != nil {
		return nil, fmt.Errorf("find ffmpeg (ANB_FFMPEG_FFMPEG): %w", err)
	}
	ffprobe, err := exec.LookPath(c.FFprobe)
	if err != nil {
		return nil, fmt.Errorf("find ffprobe (ANB_FFMPEG_FFPROBE): %w", err)
	}
	t := &Tools{limits: c.limits(), confinement: offered(), log: log}
	// Children run in other folders.
	if t.ffmpeg, err = filepath.Abs(ffmpeg); err != nil {
		return nil, fmt.Errorf("find ffmpeg: %w", err)
	}
	if t.ffprobe, err = filepath.Abs(ffprobe); err != nil {
		return nil, fmt.Errorf("find ffprobe: %w", err)
	}
	if t.cgroup, err = findCgroup("/"); err != nil {
		log.Debug("memory of children is watched", slog.Any("error", err))
	}
	if !t.confinement.whole() {
		log.Warn("this kernel does not confine children wholly", slog.String("confinement", t.Confinement()))
	}
	return t, nil
}

// Confinement names what holds children on this machine, for operators:
// "landlock 7, seccomp, cgroup v1".
func (t *Tools) Confinement() string { return t.confinement.String() + ", " + t.memoryMode() }

// Version returns what `ffmpeg -version` prints: version, build options and
// libraries. Two equal texts encode alike.
func (t *Tools) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	out := &capped{limit: 64 << 10}
	if _, err := t.run(ctx, job{program: t.ffmpeg, args: []string{"-version"}, limits: t.limits.probing(), stdout: out}); err != nil {
		return "", fmt.Errorf("ask ffmpeg for its version: %w", err)
	}
	return strings.TrimSpace(out.String()), nil
}

// Command is one run of ffmpeg.
type Command struct {
	// Args follow the program's name. Run puts `-hide_banner -nostdin
	// -nostats -v error -progress pipe:1` before them.
	Args []string
	// Dir is the working directory and HOME, and the only folder where the run
	// may write: ordinary files, no folders or links. Empty: it writes nowhere
	// and runs in the root folder.
	Dir string
	// Reads are the files and folders outside Dir that the run may read, beside
	// programs and libraries; relative ones start at Dir.
	Reads []string
	// OnProgress, if set, receives ffmpeg's reports, about two a second and
	// one at the end. OnLine, if set, receives each line of stderr without
	// control characters. Both must return quickly, since ffmpeg waits for
	// them; they may be called at the same time as each other.
	OnProgress func(Progress)
	OnLine     func(string)
}

func (c Command) arguments() []string {
	return append([]string{"-hide_banner", "-nostdin", "-nostats", "-v", "error", "-progress", "pipe:1"}, c.Args...)
}

// Line is the command that Run runs, quoted for a shell.
func (t *Tools) Line(c Command) string {
	words := []string{quoted(t.ffmpeg)}
	for _, a := range c.arguments() {
		words = append(words, quoted(a))
	}
	return strings.Join(words, " ")
}

// quoted is s as one word of a POSIX shell.
func quoted(s string) string {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r))
	}
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Result tells how a run went, also one that failed.
type Result struct {
	Last Progress // the last report; its End is true when ffmpeg finished regularly
	Tail string   // the last 8 KiB of stderr, without control characters
}

// Run runs ffmpeg until it ends or ctx does.
//
// When ctx ends the whole process group gets TERM and after Grace KILL, and
// the error is ctx's (context.Canceled or DeadlineExceeded). A program that
// ends badly by itself gives an *ExitError. No process of the group and no
// goroutine is left when Run returns; if this process dies, so does ffmpeg.
//
// How far the kernel keeps the run to Dir and Reads, and from any connection,
// Confinement tells.
func (t *Tools) Run(ctx context.Context, c Command) (Result, error) {
	progress := newProgressParser(c.OnProgress)
	errs, err := t.run(ctx, job{
		program: t.ffmpeg, args: c.arguments(), dir: c.Dir, reads: c.Reads, limits: t.limits,
		stdout: &lines{each: progress.line}, onLine: c.OnLine,
	})
	result := Result{Last: progress.now, Tail: errs.text()}
	if err != nil {
		return result, fmt.Errorf("run ffmpeg: %w", err)
	}
	return result, nil
}
