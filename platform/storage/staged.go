package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Staged is a temporary local file that becomes an object or nothing. It is
// not safe for concurrent use.
type Staged struct {
	file   *os.File
	root   *os.Root
	name   string // within root
	path   string
	size   int64
	done   bool
	commit commitFunc
}

// commitFunc makes the staged file an object under a checked key.
type commitFunc func(ctx context.Context, s *Staged, key, contentType string) error

// Write appends p. It fails with ErrFull when there is no room, and with
// ErrDone after Commit or Discard.
func (s *Staged) Write(p []byte) (int, error) {
	if s.done {
		return 0, ErrDone
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write staged file: %w", withFull(err))
	}
	return n, nil
}

// ReadFrom appends what r has, up to its end; the kernel copies when r is a
// file. Errors are those of Write, or r's own.
func (s *Staged) ReadFrom(r io.Reader) (int64, error) {
	if s.done {
		return 0, ErrDone
	}
	n, err := s.file.ReadFrom(r)
	s.size += n
	if err != nil {
		return n, fmt.Errorf("fill staged file: %w", withFull(err))
	}
	return n, nil
}

// Path returns where the file is, for programs that examine it. It is good
// until Commit or Discard.
func (s *Staged) Path() string { return s.path }

// Size returns how many bytes were written so far.
func (s *Staged) Size() int64 { return s.size }

// Commit makes the file an object under key, durably, and ends s. An empty
// contentType is told from the key's ending. It fails with ErrBadKey, ErrExist
// or ErrFull; after an error there is no object, except that over a network
// that broke at the wrong moment there may be one, and s is still there: try
// again or Discard it.
func (s *Staged) Commit(ctx context.Context, key, contentType string) error {
	if s.done {
		return fmt.Errorf("commit %s: %w", key, ErrDone)
	}
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit %s: %w", key, err)
	}
	if contentType == "" {
		contentType = typeOf(key)
	}
	if err := s.commit(ctx, s, key, contentType); err != nil {
		return fmt.Errorf("commit %s: %w", key, err)
	}
	_ = s.Discard() // the object is safe; a leftover name is Sweep's
	return nil
}

// Discard removes the file unless it was committed. It can be called at any
// time and more than once, so that it can be deferred right after Stage.
func (s *Staged) Discard() error {
	if s.done {
		return nil
	}
	s.done = true
	// The name goes first: once the lock is gone, so may the file be.
	err := s.root.Remove(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, s.file.Close()); err != nil {
		return fmt.Errorf("discard staged file: %w", err)
	}
	return nil
}
