package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"anb/platform/storage"
)

// janitorBatch is how many files are looked up in one query.
const janitorBatch = 500

// Place is a store with the question which of its keys belong to a row.
type Place struct {
	Store storage.Store
	Known func(ctx context.Context, keys []string) (map[string]bool, error)
}

// Janitor removes files that no row refers to and that nobody has written to
// for the grace, and what dead processes staged. Rows are never removed.
type Janitor struct {
	Places []Place
	Grace  time.Duration
	Now    func() time.Time
	Log    *slog.Logger
}

// Clean looks through all places once.
func (j Janitor) Clean(ctx context.Context) error {
	var errs []error
	for _, p := range j.Places {
		if err := j.clean(ctx, p); err != nil {
			errs = append(errs, err)
		}
		n, err := p.Store.Sweep(ctx, j.Grace)
		if n > 0 {
			j.Log.InfoContext(ctx, "staged files of dead processes removed", slog.Int("files", n))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (j Janitor) clean(ctx context.Context, p Place) error {
	old := j.Now().Add(-j.Grace)
	var keys []string
	for info, err := range p.Store.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
		if info.ModTime.After(old) {
			continue
		}
		if keys = append(keys, info.Key); len(keys) == janitorBatch {
			if err := j.remove(ctx, p, keys); err != nil {
				return err
			}
			keys = keys[:0]
		}
	}
	return j.remove(ctx, p, keys)
}

func (j Janitor) remove(ctx context.Context, p Place, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	known, err := p.Known(ctx, keys)
	if err != nil {
		return fmt.Errorf("look up files: %w", err)
	}
	for _, k := range keys {
		if known[k] {
			continue
		}
		if err := p.Store.Delete(ctx, k); err != nil {
			return fmt.Errorf("remove file without a row: %w", err)
		}
		j.Log.InfoContext(ctx, "file without a row removed", slog.String("key", k))
	}
	return nil
}
