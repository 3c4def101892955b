package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// copyStep is how many bytes are copied between two looks at the context.
const copyStep = 8 << 20

// PutFile makes an object under key from the local file at path, which may be
// on another file system and stays where it is. The errors and the meaning of
// contentType are those of Staged.Commit.
func PutFile(ctx context.Context, s Store, path, key, contentType string) (err error) {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("put file: %w", err)
	}
	src, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("put file %s: %w", key, err)
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil {
		return fmt.Errorf("put file %s: %w", key, err)
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("put file %s: the source is not a regular file", key)
	}
	staged, err := s.Stage(ctx)
	if err != nil {
		return fmt.Errorf("put file %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, staged.Discard()) }()
	if err := copyAll(ctx, staged, src); err != nil {
		return fmt.Errorf("put file %s: %w", key, err)
	}
	return staged.Commit(ctx, key, contentType)
}

// copyAll copies in steps, so that the end of ctx is noticed while the kernel
// can still do the copying.
func copyAll(ctx context.Context, dst io.Writer, src io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch _, err := io.CopyN(dst, src, copyStep); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
