package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Staged files are named so that Sweep never touches a file of someone else.
const (
	stagePrefix = "staged-"
	stageSuffix = ".part"
)

// area is a local folder for staged files, within root.
type area struct {
	root *os.Root
	dir  string // within root
	path string // of dir, for other programs
}

// stage makes an empty file; its lock tells Sweep that its process lives.
func (a area) stage(commit commitFunc) (*Staged, error) {
	name := filepath.Join(a.dir, stagePrefix+strings.ToLower(rand.Text())+stageSuffix)
	f, err := a.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, fmt.Errorf("make staged file: %w", withFull(err))
	}
	// Some network file systems have no locks: then only age protects the file.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return &Staged{
		file: f, root: a.root, name: name, commit: commit,
		path: filepath.Join(a.path, filepath.Base(name)),
	}, nil
}

// sweep removes staged files last written before the given time whose process
// is gone.
func (a area) sweep(before time.Time) (int, error) {
	entries, err := fs.ReadDir(a.root.FS(), filepath.ToSlash(a.dir))
	if err != nil {
		return 0, fmt.Errorf("list staged files: %w", err)
	}
	removed := 0
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stagePrefix) || !strings.HasSuffix(e.Name(), stageSuffix) {
			continue
		}
		switch ok, err := a.removeDead(filepath.Join(a.dir, e.Name()), before); {
		case errors.Is(err, fs.ErrNotExist): // committed or discarded meanwhile
		case err != nil:
			errs = append(errs, fmt.Errorf("sweep %s: %w", e.Name(), err))
		case ok:
			removed++
		}
	}
	return removed, errors.Join(errs...)
}

func (a area) removeDead(name string, before time.Time) (bool, error) {
	info, err := a.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) {
		return false, err
	}
	f, err := a.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil // its process lives
	}
	return true, a.root.Remove(name)
}

// withFull makes a lack of room recognisable.
func withFull(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
