package processing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"anb/platform/storage"
)

// ErrRestored means that the files remember more than the database does.
var ErrRestored = errors.New("the database looks restored from an older backup: it lacks a job that it once had, " +
	"so files without rows may be all that is left of uploads. Look at them with: anb janitor --dry-run --force. " +
	"Remove them, for good, with: anb janitor --force")

// witnessPrefix begins the names of empty files, each followed by a job's id:
// the database knew that job when the file was written. Jobs are never removed,
// so a database that lacks one is older than the file, or another.
const witnessPrefix = "known-job-"

func isWitness(key string) bool { return strings.HasPrefix(key, witnessPrefix) }

// WitnessKey is the name of the file that witnesses a job.
func WitnessKey(job uuid.UUID) string { return witnessPrefix + job.String() }

// PutWitness writes the witness of a job beside the originals, and tells
// whether there was none. Until the database knows that job no janitor removes
// files: a restore that brings the job begins with it.
func PutWitness(ctx context.Context, originals storage.Store, job uuid.UUID) (made bool, err error) {
	staged, err := originals.Stage(ctx)
	if err != nil {
		return false, fmt.Errorf("write witness: %w", err)
	}
	err = staged.Commit(ctx, WitnessKey(job), "application/octet-stream")
	if err == nil {
		return true, nil
	}
	if err = errors.Join(err, staged.Discard()); !errors.Is(err, storage.ErrExist) {
		return false, fmt.Errorf("write witness: %w", err)
	}
	return false, nil
}

// witness tells a database that went back in time. Its file lies beside the
// originals, so that it is kept, moved and restored with them.
type witness struct {
	store storage.Store
	jobs  store
}

// agrees fails with ErrRestored when the database lacks a job that it had.
func (w witness) agrees(ctx context.Context) error {
	for info, err := range w.store.List(ctx, witnessPrefix) {
		if err != nil {
			return fmt.Errorf("look for witness: %w", err)
		}
		id, err := uuid.Parse(strings.TrimPrefix(info.Key, witnessPrefix))
		if err != nil {
			continue // not ours
		}
		_, ok, err := w.jobs.get(ctx, "id = ?", id)
		if err != nil {
			return fmt.Errorf("ask witness: %w", err)
		}
		if !ok {
			return fmt.Errorf("job %s: %w", id, ErrRestored)
		}
	}
	return nil
}

// renew writes a witness of the newest job, and only then removes the others.
func (w witness) renew(ctx context.Context) error {
	id, ok, err := w.jobs.newest(ctx)
	if err != nil || !ok {
		return err
	}
	key := WitnessKey(id)
	if _, err := PutWitness(ctx, w.store, id); err != nil {
		return err
	}
	for info, err := range w.store.List(ctx, witnessPrefix) {
		if err != nil {
			return fmt.Errorf("look for older witness: %w", err)
		}
		if info.Key == key {
			continue
		}
		if err := w.store.Delete(ctx, info.Key); err != nil {
			return fmt.Errorf("remove older witness: %w", err)
		}
	}
	return nil
}
