package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"anb/platform/ffmpeg"
)

// Encoders makes videos with the machine's hardware where that works, and with
// x264 otherwise. It is safe for concurrent use.
type Encoders struct {
	hardware *Encoder // nil: none
	software *Encoder
	log      *slog.Logger
}

// OpenEncoder tries what c.Codec allows, draws the cards and returns encoders
// ready for work. With AnyCodec a hardware encoder is used if its result
// passes the check of published videos; a codec that is asked for by name and
// does not work is an error.
func OpenEncoder(ctx context.Context, c EncoderConfig, tools *ffmpeg.Tools, cacheDir string, log *slog.Logger) (*Encoders, error) {
	wanted := []string{c.Codec}
	switch c.Codec {
	case AnyCodec:
		wanted = hardware()
	case software:
		wanted = nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	asked := c.Codec != AnyCodec
	c.Codec = software
	e := &Encoders{log: log}
	var err error
	if e.software, err = NewEncoder(c, tools, cacheDir, log); err != nil {
		return nil, err
	}
	for _, name := range wanted {
		c.Codec = name
		h, err := NewEncoder(c, tools, cacheDir, log)
		if err != nil {
			return nil, err
		}
		err = h.trial(ctx)
		if err == nil {
			err = h.Prepare(ctx)
		}
		switch {
		case err == nil:
			e.hardware = h
			log.InfoContext(ctx, "encoding with hardware", slog.String("codec", name))
			return e, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case asked:
			return nil, fmt.Errorf("encoder.codec %s does not work here; use auto or libx264: %w", name, err)
		}
		log.DebugContext(ctx, "hardware encoder not usable", slog.String("codec", name), slog.Any("error", err))
	}
	return e, e.software.Prepare(ctx)
}

// trial encodes a few frames and checks them like a published video.
func (e *Encoder) trial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp(e.cache, "trial-*")
	if err != nil {
		return fmt.Errorf("make folder for trial: %w", err)
	}
	defer os.RemoveAll(dir)
	const frames = 10
	c := e.config
	out := filepath.Join(dir, "trial.mp4")
	args := append([]string{}, c.codec().device...)
	args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("color=gray:s=%dx%d:r=%d", c.Width, c.Height, c.FPS),
		"-vf", "setsar=1,"+c.finish(), "-frames:v", strconv.Itoa(frames))
	args = append(args, c.encoding()...)
	if _, err := e.tools.Run(ctx, ffmpeg.Command{Args: append(args, "-y", out), Dir: dir}); err != nil {
		return fmt.Errorf("try %s: %w", c.codec().name, err)
	}
	info, err := e.tools.Probe(ctx, out, []string{"mov"})
	if err != nil {
		return fmt.Errorf("look at trial: %w", err)
	}
	return c.expect(frames).matches(info)
}

// Codec names the encoder that new videos are made with.
func (e *Encoders) Codec() string {
	if e.hardware != nil {
		return e.hardware.config.codec().name
	}
	return software
}

// Encode is Encoder.Encode. What hardware cannot do now, since its sessions
// are few and its drivers fail, x264 does.
func (e *Encoders) Encode(ctx context.Context, j Job, report Report) (Output, error) {
	if e.hardware == nil {
		return e.software.Encode(ctx, j, report)
	}
	report = rising(report)
	out, err := e.hardware.Encode(ctx, j, report)
	var f *Failure
	if !errors.As(err, &f) || (f.Reason != ReasonEncoderFailed && f.Reason != ReasonKilled) {
		return out, err
	}
	e.log.WarnContext(ctx, "hardware encoder failed, encoding with x264", slog.String("codec", e.Codec()),
		slog.Any("error", err), slog.String("stderr", lastLine(f.Tail)))
	j.Dir = filepath.Join(j.Dir, software)
	if err := os.Mkdir(j.Dir, 0o750); err != nil {
		return Output{}, failure("make folder for x264", err, ReasonStorage)
	}
	return e.software.Encode(ctx, j, report)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
