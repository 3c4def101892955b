package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// callTimeout ends a call that moves no file when the other side hangs.
const callTimeout = 30 * time.Second

// transferTimeout allows for a link of 256 KiB/s, and a minute for the rest.
func transferTimeout(bytes int64) time.Duration {
	return time.Minute + time.Duration(bytes>>18)*time.Second
}

// bucket keeps objects in a go-cloud bucket; staged files are in a local folder.
type bucket struct {
	blob    *blob.Bucket
	stage   area
	ownDir  string       // removed by Close, if not empty
	uploads *uploads     // half-done uploads that Sweep may end; nil without
	tune    tuneWrite    // nil without
	signer  *blob.Bucket // makes addresses; nil without; may be blob itself
}

// tuneWrite adapts a write to the driver; it has the type of
// blob.WriterOptions.BeforeWrite.
type tuneWrite func(asFunc func(any) bool) error

var _ Store = (*bucket)(nil)

// openMem opens an empty store that ends with the process.
func openMem(stageDir string) (Store, error) {
	b := &bucket{blob: memblob.OpenBucket(nil)}
	if stageDir == "" {
		dir, err := os.MkdirTemp("", "stage-*")
		if err != nil {
			return nil, fmt.Errorf("make stage folder: %w", err)
		}
		stageDir, b.ownDir = dir, dir
	}
	var err error
	if b.stage, err = openArea(stageDir); err != nil {
		return nil, err
	}
	return b, nil
}

// openArea makes the folder where needed, and sees whether it can be written.
func openArea(folder string) (area, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return area{}, fmt.Errorf("stage folder %s: %w", folder, err)
	}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return area{}, fmt.Errorf("make stage folder: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return area{}, fmt.Errorf("open stage folder: %w", err)
	}
	a := area{root: root, dir: ".", path: abs}
	if err := a.check(); err != nil && !errors.Is(err, ErrFull) {
		return area{}, errors.Join(fmt.Errorf("stage folder %s: %w", abs, err), root.Close())
	}
	return a, nil
}

func (a area) check() error {
	s, err := a.stage(nil)
	if err != nil {
		return err
	}
	return s.Discard()
}

func (b *bucket) Stage(ctx context.Context) (*Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make staged file: %w", err)
	}
	return b.stage.stage(b.commit)
}

func (b *bucket) Fetch(ctx context.Context, key, dir string) (file string, err error) {
	o, err := b.open(ctx, key)
	if err != nil {
		return "", fmt.Errorf("fetch: %w", err)
	}
	defer o.Close()
	defer time.AfterFunc(transferTimeout(o.info.Size), o.cancel).Stop()
	// A pattern with the key's ending, for programs that look at it.
	f, err := os.CreateTemp(dir, "fetched-*"+path.Ext(key))
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", key, withFull(err))
	}
	_, err = io.Copy(f, o)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("fetch %s: %w", key, withFull(err)), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := b.blob.Delete(ctx, key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

func (b *bucket) URL(ctx context.Context, key string, ttl time.Duration) (string, error) {
	if err := CheckKey(key); err != nil || b.signer == nil {
		return "", err
	}
	u, err := b.signer.SignedURL(ctx, key, &blob.SignedURLOptions{Expiry: ttl})
	if err != nil {
		return "", fmt.Errorf("sign address of %s: %w", key, err)
	}
	return u, nil
}

func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, fmt.Errorf("list: %w", err))
			return
		}
		for it := b.blob.List(&blob.ListOptions{Prefix: prefix}); ; {
			o, err := b.next(ctx, it)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Info{}, fmt.Errorf("list %q: %w", prefix, err))
				return
			}
			if CheckKey(o.Key) != nil {
				continue // not ours
			}
			if !yield(Info{Key: o.Key, Size: o.Size, ModTime: o.ModTime}, nil) {
				return
			}
		}
	}
}

func (b *bucket) next(ctx context.Context, it *blob.ListIterator) (*blob.ListObject, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return it.Next(ctx)
}

// Check asks for a list of one; trying to write would cost money each time.
func (b *bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if ok, err := b.blob.IsAccessible(ctx); err != nil {
		return fmt.Errorf("check storage: %w", refused(err))
	} else if !ok {
		return fmt.Errorf("check storage: %w: the bucket does not exist", ErrRefused)
	}
	if err := b.stage.check(); err != nil {
		return fmt.Errorf("check stage folder %s: %w", b.stage.path, err)
	}
	return nil
}

func (b *bucket) Free(context.Context) (uint64, bool, error) { return 0, false, nil }

func (b *bucket) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	before := time.Now().Add(-olderThan)
	n, err := b.stage.sweep(before)
	if b.uploads == nil {
		return n, err
	}
	aborted, abortErr := b.uploads.abortOlder(ctx, before)
	return n + aborted, errors.Join(err, abortErr)
}

func (b *bucket) Close() error {
	err := errors.Join(b.blob.Close(), b.stage.root.Close())
	if b.signer != nil && b.signer != b.blob {
		err = errors.Join(err, b.signer.Close())
	}
	if b.ownDir != "" {
		err = errors.Join(err, os.RemoveAll(b.ownDir))
	}
	return err
}
