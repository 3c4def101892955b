package videos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"anb/platform/cache"
	"anb/platform/database"
)

// Catalog is the part of the module that workers, the janitor and other
// modules call. Its writes take part in the transaction that ctx carries.
type Catalog struct {
	db     *database.DB
	store  store
	public *cache.Cache
	now    func() time.Time
}

// NewCatalog makes a catalog; writes expire public.
func NewCatalog(db *database.DB, public *cache.Cache, now func() time.Time) *Catalog {
	return &Catalog{db: db, store: store{db}, public: public, now: now}
}

// Original is what a worker must know of an upload. It is a plain struct by
// another name, so that the consumer's is the same type.
type Original = struct {
	Key    string        // in the store of originals
	Start  time.Duration // where the published part begins
	Player string        // the player's full name
	City   string
	// Measured says that the upload's size and length are written down.
	Measured bool
}

// Published are the files of a finished video. It is a plain struct by another
// name, as Original is.
type Published = struct {
	VideoKey        string // in the store of processed files
	VideoBytes      int64
	VideoSHA256     string // hexadecimal
	ThumbnailKey    string
	ThumbnailBytes  int64
	ThumbnailSHA256 string
	Duration        time.Duration // of the video with its cards
	Width           int           // pixels, of the video
	Height          int
}

// Source tells a worker what to process. It fails with ErrNotFound when the
// video was deleted.
func (c *Catalog) Source(ctx context.Context, id uuid.UUID) (Original, error) {
	o, err := c.store.original(ctx, id)
	if err != nil {
		return Original{}, fmt.Errorf("source of video %s: %w", id, err)
	}
	return o, nil
}

// MarkProcessing says that a worker has begun. It reports false when there is
// no such unfinished video any more.
func (c *Catalog) MarkProcessing(ctx context.Context, id uuid.UUID) (bool, error) {
	ok, err := c.store.setStatus(ctx, id, map[string]any{"status": Processing})
	if err != nil {
		return false, fmt.Errorf("mark video %s: %w", id, err)
	}
	return ok, nil
}

// Measure writes down what an upload is like, unless that was known: an older
// version of the program took it without a look at its size.
func (c *Catalog) Measure(ctx context.Context, id uuid.UUID, m Measured) error {
	if err := c.store.measure(ctx, id, m); err != nil {
		return fmt.Errorf("measure video %s: %w", id, err)
	}
	return nil
}

// Publish shows a video to the public. It reports false when there is no such
// unfinished video any more.
func (c *Catalog) Publish(ctx context.Context, id uuid.UUID, files Published) (bool, error) {
	ok, err := c.store.setStatus(ctx, id, map[string]any{
		"status": Processed, "processed_at": database.At(c.now()), "processed_key": files.VideoKey, "thumbnail_key": files.ThumbnailKey,
		"processed_bytes": files.VideoBytes, "processed_sha256": files.VideoSHA256,
		"thumbnail_bytes": files.ThumbnailBytes, "thumbnail_sha256": files.ThumbnailSHA256,
		"processed_ms": files.Duration.Milliseconds(), "processed_width": files.Width, "processed_height": files.Height,
	})
	if err != nil {
		return false, fmt.Errorf("publish video %s: %w", id, err)
	}
	c.db.AfterCommit(ctx, func(context.Context) { c.public.Expire() })
	return ok, nil
}

// Fail ends a video with the stable code of the reason, in capitals.
func (c *Catalog) Fail(ctx context.Context, id uuid.UUID, code string) error {
	if _, err := c.store.setStatus(ctx, id, map[string]any{"status": Failed, "failure_code": code}); err != nil {
		return fmt.Errorf("fail video %s: %w", id, err)
	}
	return nil
}

// Reopen makes a failed video wait for processing again, and returns the status
// that it had; any other stays as it is. It is empty when the video was deleted.
// For the rest of the transaction that ctx carries nobody else changes it.
func (c *Catalog) Reopen(ctx context.Context, id uuid.UUID) (status string, err error) {
	v, err := c.store.lock(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", nil
	case err == nil && v.Status == Failed:
		err = c.store.reopen(ctx, id)
	}
	if err != nil {
		return "", fmt.Errorf("reopen video %s: %w", id, err)
	}
	return string(v.Status), nil
}

// PlayerChanged keeps what the public searches by equal to a player's profile.
func (c *Catalog) PlayerChanged(ctx context.Context, userID uuid.UUID, name, city string) error {
	if err := c.store.rename(ctx, userID, name, city); err != nil {
		return fmt.Errorf("rename player %s on videos: %w", userID, err)
	}
	c.db.AfterCommit(ctx, func(context.Context) { c.public.Expire() })
	return nil
}

// KnownOriginals reports which of the keys belong to a video, for the janitor.
func (c *Catalog) KnownOriginals(ctx context.Context, keys []string) (map[string]bool, error) {
	return c.store.keys(ctx, "original_key", keys)
}

// KnownProcessed is KnownOriginals for processed files and their posters.
func (c *Catalog) KnownProcessed(ctx context.Context, keys []string) (map[string]bool, error) {
	known, err := c.store.keys(ctx, "processed_key", keys)
	if err != nil {
		return nil, err
	}
	posters, err := c.store.keys(ctx, "thumbnail_key", keys)
	if err != nil {
		return nil, err
	}
	for k := range posters {
		known[k] = true
	}
	return known, nil
}
