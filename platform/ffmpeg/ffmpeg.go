// Package ffmpeg runs ffmpeg and ffprobe at arm's length: arguments only and
// never a shell, a process group of its own that is wholly gone afterwards, a
// scrubbed environment, low priority, bounded output.
//
// It knows nothing of what is encoded, and works on Linux only.
package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"
)

// Config names the two programs. A name without a slash is looked up on PATH.
type Config struct {
	FFmpeg  string `mapstructure:"ffmpeg"`
	FFprobe string `mapstructure:"ffprobe"`
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
	return errors.Join(errs...)
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

	tailBytes = 8 << 10
)

// Tools runs the two programs. It is safe for concurrent use.
type Tools struct {
	ffmpeg, ffprobe string
	log             *slog.Logger
}

// New finds the programs; it fails when one of them is not there.
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
	return &Tools{ffmpeg: ffmpeg, ffprobe: ffprobe, log: log}, nil
}

// Version returns what `ffmpeg -version` prints: version, build options and
// libraries. Two equal texts encode alike.
func (t *Tools) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	out := &capped{limit: 64 << 10}
	if _, err := t.run(ctx, job{program: t.ffmpeg, args: []string{"-version"}, stdout: out}); err != nil {
		return "", fmt.Errorf("ask ffmpeg for its version: %w", err)
	}
	return strings.TrimSpace(out.String()), nil
}

// Command is one run of ffmpeg.
type Command struct {
	// Args follow the program's name. Run puts `-hide_banner -nostdin
	// -nostats -v error -progress pipe:1` before them.
	Args []string
	// Dir is the working directory and HOME; empty: the temporary directory.
	Dir string
	// Reads are the files and folders outside Dir that the run may read.
	Reads []string
	// OnProgress, if set, receives ffmpeg's reports, about two a second and
	// one at the end. OnLine, if set, receives each line of stderr without
	// control characters. Both must return quickly, since ffmpeg waits for
	// them; they may be called at the same time as each other.
	OnProgress func(Progress)
	OnLine     func(string)
}

// Result tells how a run went, also one that failed.
type Result struct {
	Last       Progress // the last report; its End is true when ffmpeg finished regularly
	ErrorLines int      // lines of stderr, each of them an error at this log level, with repetitions counted
	Tail       string   // the last 8 KiB of stderr, without control characters
}

// Run runs ffmpeg until it ends or ctx does.
//
// When ctx ends the whole process group gets TERM and after Grace KILL, and
// the error is ctx's (context.Canceled or DeadlineExceeded). A program that
// ends badly by itself gives an *ExitError. No process of the group and no
// goroutine is left when Run returns; if this process dies, so does ffmpeg.
func (t *Tools) Run(ctx context.Context, c Command) (Result, error) {
	progress := newProgressParser(c.OnProgress)
	args := append([]string{"-hide_banner", "-nostdin", "-nostats", "-v", "error", "-progress", "pipe:1"}, c.Args...)
	errs, err := t.run(ctx, job{program: t.ffmpeg, args: args, dir: c.Dir, stdout: &lines{each: progress.line}, onLine: c.OnLine})
	result := Result{Last: progress.now, ErrorLines: errs.count, Tail: errs.text()}
	if err != nil {
		return result, fmt.Errorf("run ffmpeg: %w", err)
	}
	return result, nil
}
