package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

func (b *bucket) Open(ctx context.Context, key string) (Object, error) {
	o, err := b.open(ctx, key)
	if err != nil {
		return nil, err // not o: a nil pointer in an interface is not nil
	}
	return o, nil
}

func (b *bucket) open(ctx context.Context, key string) (*bucketObject, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if err := ctx.Err(); err != nil { // memory would not look
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := b.blob.Attributes(call, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, fmt.Errorf("open %s: %w: %w", key, ErrNotExist, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, refused(err))
	}
	o := &bucketObject{bucket: b.blob, info: Info{
		Key: key, Size: a.Size, ModTime: a.ModTime, ETag: a.ETag, ContentType: a.ContentType,
	}}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o, nil
}

// bucketObject reads ranges of an object as they are asked for, so that
// looking at an object's description moves none of its content.
type bucketObject struct {
	ctx    context.Context // of Open: reads have none of their own
	cancel context.CancelFunc
	bucket *blob.Bucket
	info   Info

	offset int64        // of the next Read
	reader *blob.Reader // delivers from at on; nil before the first Read
	at     int64
}

func (o *bucketObject) Info() Info { return o.info }

func (o *bucketObject) Read(p []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, fmt.Errorf("read %s: %w", o.info.Key, err)
	}
	if o.offset >= o.info.Size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if o.reader == nil || o.at != o.offset {
		if err := o.reopen(); err != nil {
			return 0, fmt.Errorf("read %s: %w", o.info.Key, err)
		}
	}
	n, err := o.reader.Read(p)
	o.offset += int64(n)
	o.at = o.offset
	if errors.Is(err, io.EOF) {
		err = nil
		if n == 0 || o.offset < o.info.Size {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return n, fmt.Errorf("read %s at %d of %d: %w", o.info.Key, o.offset, o.info.Size, err)
	}
	return n, nil
}

func (o *bucketObject) reopen() error {
	if err := o.drop(); err != nil {
		return err
	}
	r, err := o.bucket.NewRangeReader(o.ctx, o.info.Key, o.offset, -1, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%w: %w", ErrNotExist, err)
	}
	if err != nil {
		return refused(archived(err))
	}
	o.reader, o.at = r, o.offset
	return nil
}

// drop closes the reader that is open; what it would still have to say about
// an unfinished transfer matters to nobody.
func (o *bucketObject) drop() error {
	if o.reader == nil {
		return nil
	}
	r := o.reader
	o.reader = nil
	return r.Close()
}

// Seek does not move anything yet. An offset beyond the end is allowed; a
// Read there says io.EOF.
func (o *bucketObject) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += o.offset
	case io.SeekEnd:
		offset += o.info.Size
	default:
		return 0, fmt.Errorf("seek %s: bad whence %d", o.info.Key, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek %s: offset %d is before the start", o.info.Key, offset)
	}
	o.offset = offset
	return offset, nil
}

func (o *bucketObject) Close() error {
	o.cancel()
	return o.drop()
}
