package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stageDir is where a disk keeps its staged files. No key begins with a dot.
const stageDir = ".stage"

// disk keeps objects as files beneath one folder, through os.Root, so that no
// symbolic link leads out of it.
type disk struct {
	root     *os.Root
	path     string        // absolute
	stage    area          // on the same file system, so that a commit moves no bytes
	checking chan struct{} // holds one token while a check runs
}

var _ Store = (*disk)(nil)

func openDisk(ctx context.Context, folder string) (Store, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("storage folder %s: %w", folder, err)
	}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return nil, fmt.Errorf("make storage folder: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open storage folder: %w", err)
	}
	d := &disk{root: root, path: abs, checking: make(chan struct{}, 1)}
	d.stage = area{root: root, dir: stageDir, path: filepath.Join(abs, stageDir)}
	// A full disk can still be read, and emptied.
	if err := d.Check(ctx); err != nil && !errors.Is(err, ErrFull) {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

func (d *disk) Stage(ctx context.Context) (*Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make staged file: %w", err)
	}
	return d.stage.stage(d.commit)
}

// diskObject embeds the file, whose other methods let net/http send it by
// sendfile.
type diskObject struct {
	*os.File
	info Info
}

func (o *diskObject) Info() Info { return o.info }

func (d *disk) Open(ctx context.Context, key string) (Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	// O_NONBLOCK: a named pipe must not hold us up before we see what it is.
	f, err := d.root.OpenFile(key, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, d.missing(err))
	}
	stat, err := f.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", key, err), f.Close())
	}
	return &diskObject{File: f, info: Info{
		Key: key, Size: stat.Size(), ModTime: stat.ModTime(),
		ETag: diskETag(key, stat), ContentType: typeOf(key),
	}}, nil
}

// diskETag is the same in every process that sees the file: an object is
// never written again, so that key, size and time of commit say which it is.
func diskETag(key string, stat fs.FileInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", key, stat.Size(), stat.ModTime().UnixNano()))
	return fmt.Sprintf("%q", fmt.Sprintf("%x", sum[:12]))
}

func (d *disk) Fetch(ctx context.Context, key, _ string) (string, error) {
	o, err := d.Open(ctx, key) // also refuses links that lead out
	if err != nil {
		return "", fmt.Errorf("fetch: %w", err)
	}
	return filepath.Join(d.path, key), o.Close()
}

func (d *disk) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	stat, err := d.root.Lstat(key)
	if err == nil && !stat.IsDir() {
		err = d.root.Remove(key)
	}
	if err != nil && !errors.Is(notExist(err), ErrNotExist) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	// Empty folders go too, as far as that works; a commit that loses its folder
	// here makes it again.
	for dir := path.Dir(key); dir != "." && d.removeFolder(dir) == nil; {
		dir = path.Dir(dir)
	}
	return nil
}

// removeFolder removes an empty folder and never a file, as Root.Remove would.
func (d *disk) removeFolder(dir string) error {
	parent, err := d.root.Open(path.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return unix.Unlinkat(int(parent.Fd()), path.Base(dir), unix.AT_REMOVEDIR)
}

func (d *disk) URL(_ context.Context, key string, _ time.Duration) (string, error) {
	return "", CheckKey(key)
}

func (d *disk) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("list: %w", err))
			return
		}
		start := path.Dir(prefix + "x") // the folder that holds all keys of the prefix
		err := fs.WalkDir(d.root.FS(), start, func(key string, e fs.DirEntry, err error) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone meanwhile
			}
			if err != nil {
				return err
			}
			if key != "." && strings.HasPrefix(e.Name(), ".") && e.IsDir() {
				return fs.SkipDir
			}
			if !e.Type().IsRegular() || !strings.HasPrefix(key, prefix) || CheckKey(key) != nil {
				return nil
			}
			stat, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(Info{Key: key, Size: stat.Size(), ModTime: stat.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Info{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

func (d *disk) Free(context.Context) (uint64, bool, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return 0, false, fmt.Errorf("free room of %s: %w", d.path, err)
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, false, fmt.Errorf("free room of %s: %w", d.path, err)
	}
	return st.Bavail * uint64(st.Bsize), true, nil
}

func (d *disk) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	return d.stage.sweep(time.Now().Add(-olderThan))
}

func (d *disk) Close() error { return d.root.Close() }

// missing is notExist unless the folder itself was removed, unmounted or
// replaced: then nothing is known about its objects.
func (d *disk) missing(err error) error {
	if err = notExist(err); !errors.Is(err, ErrNotExist) {
		return err
	}
	opened, err1 := d.root.Stat(".")
	now, err2 := os.Stat(d.path)
	if err1 != nil || err2 != nil || !os.SameFile(opened, now) {
		return fmt.Errorf("storage folder %s is not the one that was opened", d.path)
	}
	return err
}

// notExist makes the absence of a file recognisable, also when a part of its
// path is not a folder.
func notExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("%w: %w", ErrNotExist, err)
	}
	return err
}
