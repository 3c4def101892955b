package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// The memory one upload takes is parts times their size.
const (
	uploadPartBytes = 8 << 20
	uploadParts     = 2
)

// stagedMark is the metadata that tells our own object from another's.
const stagedMark = "staged"

// commit uploads the staged file.
func (b *bucket) commit(ctx context.Context, s *Staged, key, contentType string) error {
	stat, err := s.file.Stat() // other programs may have written to the file too
	if err != nil {
		return fmt.Errorf("look at staged file: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, transferTimeout(stat.Size()))
	defer stop()
	mark := path.Base(s.name)
	err = b.upload(ctx, key, io.NewSectionReader(s.file, 0, stat.Size()), &blob.WriterOptions{
		ContentType:    contentType,
		BufferSize:     uploadPartBytes,
		MaxConcurrency: uploadParts,
		Metadata:       map[string]string{stagedMark: mark},
		IfNotExist:     true,
		BeforeWrite:    b.tune,
	})
	if err == nil {
		return b.confirm(ctx, key, mark, stat.Size())
	}
	if gcerrors.Code(err) != gcerrors.FailedPrecondition {
		return withFull(noRoom(err))
	}
	// The object that is there may be ours: the answer to the first of two
	// tries got lost.
	if a, aerr := b.blob.Attributes(ctx, key); aerr == nil && a.Metadata[stagedMark] == mark {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrExist, err)
}

// confirm asks for the object that was acknowledged. Some servers answer 200
// and put the error into the body, and a row without its file is what must
// never be; one small request more is cheap.
func (b *bucket) confirm(ctx context.Context, key, mark string, size int64) error {
	a, err := b.blob.Attributes(ctx, key)
	if err == nil && (a.Metadata[stagedMark] != mark || a.Size != size) {
		err = fmt.Errorf("there is another object of %d bytes", a.Size)
	}
	if err == nil {
		return nil
	}
	// It may be there all the same; what stays is the janitor's.
	_ = b.blob.Delete(ctx, key)
	return fmt.Errorf("confirm what was stored: %w", err)
}

// upload writes all of r or nothing.
func (b *bucket) upload(ctx context.Context, key string, r io.Reader, opts *blob.WriterOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.blob.NewWriter(ctx, key, opts)
	if err != nil {
		return err
	}
	// Hides the reader's and the writer's other methods: go-cloud's own ReadFrom
	// keeps the part that was written when the reader fails.
	if _, err := io.Copy(struct{ io.Writer }{w}, r); err != nil {
		cancel() // makes Close drop the part already written
		// Close knows why, where Write has only seen the pipe break.
		if cerr := w.Close(); cerr != nil && !errors.Is(cerr, context.Canceled) {
			return cerr
		}
		return err
	}
	return w.Close()
}
