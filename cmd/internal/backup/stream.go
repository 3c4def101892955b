package backup

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// pipeStep is how many bytes a pipe that is ready takes without waiting.
const pipeStep = 4096

// look is how many milliseconds pass between two looks at a context.
const look = 200

// Stream is a file whose reads and writes end with a context also when it is a
// pipe at whose other end nothing moves.
type Stream struct {
	ctx  context.Context // reads and writes have none
	file *os.File
	pipe bool
}

// NewStream makes a stream of f, which stays the caller's.
func NewStream(ctx context.Context, f *os.File) (*Stream, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &Stream{ctx: ctx, file: f, pipe: !info.Mode().IsRegular()}, nil
}

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	if err := s.ready(unix.POLLIN); err != nil {
		return 0, err
	}
	return s.file.Read(p)
}

// Write implements io.Writer.
func (s *Stream) Write(p []byte) (done int, err error) {
	for done < len(p) {
		part := p[done:]
		if s.pipe {
			part = part[:min(len(part), pipeStep)]
		}
		if err := s.ready(unix.POLLOUT); err != nil {
			return done, err
		}
		n, err := s.file.Write(part)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// ready waits until the pipe is, or has an end or an error to tell.
func (s *Stream) ready(events int16) error {
	for {
		if err := s.ctx.Err(); err != nil || !s.pipe {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.file.Fd()), Events: events}}, look)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
		if n > 0 {
			return nil
		}
	}
}
