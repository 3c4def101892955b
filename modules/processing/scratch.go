package processing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// scratch is a worker's folder for files in the making. A lock on a file in it
// tells the folders of living workers from what dead ones left.
type scratch struct {
	root string
	own  string
	lock *os.File
}

const lockName = "lock"

func newScratch(root, worker string) (*scratch, error) {
	root, err := filepath.Abs(root) // ffmpeg runs in a folder of its own
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	own := filepath.Join(root, worker)
	for range 10 {
		if err := os.MkdirAll(own, 0o750); err != nil {
			return nil, fmt.Errorf("make scratch folder: %w", err)
		}
		f, err := locked(own)
		if err == nil && same(f, filepath.Join(own, lockName)) {
			return &scratch{root: root, own: own, lock: f}, nil
		}
		// Another worker's sweep took the folder before it was locked.
		if f != nil {
			_ = f.Close()
		}
	}
	return nil, fmt.Errorf("lock scratch folder %s: held by another process", own)
}

// same reports whether f is still the file at path.
func same(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// locked takes the lock of a worker's folder; it fails when a process holds it.
func locked(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// dir makes the folder of one attempt, and returns what removes it.
func (s *scratch) dir(c claim) (path string, remove func(), err error) {
	path = filepath.Join(s.own, c.ID.String()+"-"+strconv.FormatInt(c.Fence, 10))
	if err := os.MkdirAll(path, 0o750); err != nil {
		return "", nil, err
	}
	return path, func() { _ = os.RemoveAll(path) }, nil // what stays goes with the worker's folder
}

// sweep removes the folders of dead workers.
func (s *scratch) sweep() (removed int, err error) {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return 0, fmt.Errorf("sweep scratch: %w", err)
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(s.root, e.Name())
		if !e.IsDir() || dir == s.own {
			continue
		}
		f, err := locked(dir)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // alive
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, os.RemoveAll(dir), f.Close())
		removed++
	}
	return removed, errors.Join(errs...)
}

func (s *scratch) close() error { return errors.Join(os.RemoveAll(s.own), s.lock.Close()) }
