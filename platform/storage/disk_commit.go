package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"anb/platform/crash"
)

// commit gives the staged file its key and makes both durable: first the
// content, then the name, then the folders that lead to it.
func (d *disk) commit(_ context.Context, s *Staged, key, _ string) error {
	// The object's age counts from here, not from the last byte received.
	now := time.Now()
	if err := d.root.Chtimes(s.name, now, now); err != nil {
		return fmt.Errorf("date staged file: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("flush staged file: %w", withFull(err))
	}
	crash.At(crash.StoreFlushed)
	if err := d.place(s.name, key); err != nil {
		return err
	}
	crash.At(crash.StoreLinked)
	if err := d.syncFolders(key); err != nil {
		return errors.Join(err, d.root.Remove(key))
	}
	return nil
}

// place links the file under its key, making the folders.
func (d *disk) place(name, key string) error {
	for attempt := 1; ; attempt++ {
		err := d.root.MkdirAll(path.Dir(key), 0o750)
		if err == nil {
			err = moveNew(d.root, name, key)
		}
		// A Delete may have removed a folder, still empty, in between.
		if errors.Is(err, fs.ErrNotExist) && attempt < 10 {
			continue
		}
		if err != nil {
			return fmt.Errorf("name file: %w", withFull(err))
		}
		return nil
	}
}

// moveNew gives a file a second name, never over an existing one; the caller
// removes the first. It links because a rename replaces, and the rename that
// does not is unknown to network file systems.
func moveNew(root *os.Root, from, to string) error {
	err := root.Link(from, to)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %w", ErrExist, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
		return renameNew(root, from, to)
	}
	return err
}

// renameNew serves file systems without links (FAT). Between look and rename
// another could take the key, but keys are made to be unique.
func renameNew(root *os.Root, from, to string) error {
	switch _, err := root.Lstat(to); {
	case err == nil:
		return ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return root.Rename(from, to)
}

func (d *disk) syncFolders(key string) error {
	for dir := path.Dir(key); ; dir = path.Dir(dir) {
		f, err := d.root.Open(dir)
		if err != nil {
			return fmt.Errorf("flush folder %s: %w", dir, err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("flush folder %s: %w", dir, withFull(err))
		}
		if dir == "." {
			return nil
		}
	}
}

// Check writes a small file and removes it.
func (d *disk) Check(ctx context.Context) error {
	// The system calls of a network disk that is away do not end: wait for ctx,
	// and let no second check hang beside the first.
	select {
	case d.checking <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("check storage %s: the last check still hangs: %w", d.path, ctx.Err())
	}
	result := make(chan error, 1)
	go func() {
		result <- d.probe()
		<-d.checking
	}()
	select {
	case err := <-result:
		if err != nil {
			return fmt.Errorf("check storage %s: %w", d.path, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("check storage %s: %w", d.path, ctx.Err())
	}
}

func (d *disk) probe() (err error) {
	open, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	if now, err := os.Stat(d.path); err != nil {
		return err
	} else if !os.SameFile(open, now) {
		return errors.New("another folder has been put or mounted in its place; restart")
	}
	if err := d.root.MkdirAll(stageDir, 0o750); err != nil {
		return withFull(err)
	}
	s, err := d.stage.stage(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Discard()) }()
	if _, err := s.Write([]byte("x")); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return withFull(err)
	}
	return nil
}
