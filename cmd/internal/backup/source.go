package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"anb/platform/storage"
)

const (
	tries    = 5           // to read one piece of a file
	patience = time.Minute // for one piece of a file
)

// source reads an object from a storage that may fail for a moment: then it
// opens it again where it was.
type source struct {
	ctx    context.Context // of all reads; io.Reader has none
	store  storage.Store
	pause  time.Duration
	info   storage.Info
	object storage.Object // nil after a failure
	cancel context.CancelFunc
	at     int64
}

// openSource opens an object; it fails with storage.ErrNotExist. The caller
// closes it.
func openSource(ctx context.Context, store storage.Store, key string, pause time.Duration) (*source, error) {
	s := &source{ctx: ctx, store: store, pause: pause, info: storage.Info{Key: key}}
	return s, again(ctx, pause, s.open)
}

// final reports whether another try is of no use.
func final(err error) bool {
	for _, is := range []error{
		io.EOF, storage.ErrNotExist, storage.ErrExist, storage.ErrBadKey, storage.ErrArchived, storage.ErrRefused, storage.ErrFull,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// again calls f until it succeeds, a few times.
func again(ctx context.Context, pause time.Duration, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || final(err) || try == tries {
			return err
		}
		t := time.NewTimer(pause << (try - 1))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// open opens the object where the last read ended.
func (s *source) open() error {
	ctx, cancel := context.WithCancel(s.ctx)
	o, err := s.store.Open(ctx, s.info.Key)
	if err != nil {
		cancel()
		return err
	}
	s.object, s.cancel = o, cancel
	if s.at == 0 {
		s.info = o.Info()
		return nil
	}
	if o.Info().Size != s.info.Size {
		return fmt.Errorf("it has %d bytes and had %d", o.Info().Size, s.info.Size)
	}
	_, err = o.Seek(s.at, io.SeekStart)
	return err
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (n int, err error) {
	err = again(s.ctx, s.pause, func() (err error) {
		defer func() {
			if err != nil && !errors.Is(err, io.EOF) {
				s.Close()
			}
		}()
		if s.object == nil {
			if err := s.open(); err != nil {
				return err
			}
		}
		late := time.AfterFunc(patience, s.cancel) // a network that is silent
		n, err = s.object.Read(p)
		late.Stop()
		if n > 0 {
			s.at += int64(n)
			return nil // an error will come again
		}
		return err
	})
	return n, err
}

// Close may be called more than once.
func (s *source) Close() {
	if s.object != nil {
		_ = s.object.Close() // it was only read
		s.cancel()
		s.object = nil
	}
}
