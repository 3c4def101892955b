package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"anb/platform/database"
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
//
// A database that was restored from a backup does not know the files of later
// uploads, which are then all that is left of them. So the janitor keeps a
// witness in the first place, and does not begin when that contradicts the
// database.
type Janitor struct {
	DB     *database.DB // of the rows
	Places []Place
	Grace  time.Duration
	Now    func() time.Time
	Log    *slog.Logger
	DryRun bool // only tell; what was staged is not told
	Force  bool // begin although the database looks restored
	// Found, if set, is told of each file without a row.
	Found func(storage.Info)
}

// Tidied is what a janitor removed, or would have.
type Tidied struct {
	Files  int   // without a row
	Bytes  int64 // of those
	Staged int   // files that dead processes had begun
}

// Clean looks through all places once. It fails with ErrRestored, before it
// removes anything, when the database looks restored from an older backup.
func (j Janitor) Clean(ctx context.Context) (Tidied, error) {
	var done Tidied
	if len(j.Places) == 0 {
		return done, errors.New("the janitor has no place to clean")
	}
	w := witness{store: j.Places[0].Store, jobs: store{j.DB}}
	if err := w.agrees(ctx); err != nil && !j.Force {
		return done, err
	}
	var errs []error
	for _, p := range j.Places {
		errs = append(errs, j.clean(ctx, p, &done))
		if j.DryRun {
			continue
		}
		n, err := p.Store.Sweep(ctx, j.Grace)
		if n > 0 {
			j.Log.InfoContext(ctx, "staged files of dead processes removed", slog.Int("files", n))
		}
		done.Staged += n
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if err == nil && !j.DryRun {
		err = w.renew(ctx)
	}
	return done, err
}

func (j Janitor) clean(ctx context.Context, p Place, done *Tidied) error {
	old := j.Now().Add(-j.Grace)
	var files []storage.Info
	for info, err := range p.Store.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
		if info.ModTime.After(old) || isWitness(info.Key) {
			continue
		}
		if files = append(files, info); len(files) == janitorBatch {
			if err := j.remove(ctx, p, files, done); err != nil {
				return err
			}
			files = files[:0]
		}
	}
	return j.remove(ctx, p, files, done)
}

func (j Janitor) remove(ctx context.Context, p Place, files []storage.Info, done *Tidied) error {
	if len(files) == 0 {
		return nil
	}
	keys := make([]string, len(files))
	for i, f := range files {
		keys[i] = f.Key
	}
	known, err := p.Known(ctx, keys)
	if err != nil {
		return fmt.Errorf("look up files: %w", err)
	}
	for _, f := range files {
		if known[f.Key] {
			continue
		}
		what := "file without a row found"
		if !j.DryRun {
			if err := p.Store.Delete(ctx, f.Key); err != nil {
				return fmt.Errorf("remove file without a row: %w", err)
			}
			what = "file without a row removed"
		}
		if j.Found != nil {
			j.Found(f)
		}
		done.Files++
		done.Bytes += f.Size
		j.Log.InfoContext(ctx, what, slog.String("key", f.Key), slog.Int64("bytes", f.Size), slog.Time("written", f.ModTime))
	}
	return nil
}
