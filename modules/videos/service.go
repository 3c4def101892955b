package videos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"anb/platform/crash"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/storage"
)

type service struct {
	Deps
	store    store
	slots    *slots
	measures *measures
}

// Receipt is what an accepted upload gets.
type Receipt struct {
	VideoID uuid.UUID
	TaskID  uuid.UUID
	Status  Status
	// Replayed tells that the upload had been accepted before, as this video.
	Replayed bool
}

// incoming is a file that has arrived whole in staging.
type incoming struct {
	key    string // the client's name for this upload; may be empty
	title  string
	start  time.Duration
	file   *storage.Staged
	format string // the extension, one of Config.Formats
	bytes  int64
	sha256 string
}

// accept checks a staged file, stores it, records the video and asks for its
// processing. What has been accepted before is not stored again: its receipt
// is the first one's.
//
// The rows are the source of truth: when the bus is down accept still succeeds
// and the sweeper wakes a worker later. After an error nothing is left behind,
// except when the outcome of the commit is unknown: then the janitor decides.
func (s *service) accept(ctx context.Context, userID uuid.UUID, in incoming) (Receipt, error) {
	if v, ok, err := s.earlier(ctx, userID, in); err != nil {
		return Receipt{}, err
	} else if ok {
		return s.replay(ctx, v)
	}
	measured, err := s.Inspector.Inspect(ctx, in.file.Path())
	if err != nil {
		return Receipt{}, fmt.Errorf("inspect upload: %w", err)
	}
	crash.At(crash.UploadInspected)
	id, err := uuid.NewV7()
	if err != nil {
		return Receipt{}, err
	}
	v := Video{
		ID: id, UserID: userID, Title: in.title, Status: Uploaded, Start: in.start, UploadedAt: s.Now(),
		OriginalKey: id.String() + "." + in.format, OriginalBytes: in.bytes, OriginalSHA256: in.sha256,
		IdempotencyKey: in.key, Measured: measured,
	}
	if err := in.file.Commit(ctx, v.OriginalKey, formats[in.format]); err != nil {
		return Receipt{}, fmt.Errorf("store upload %s: %w", id, storageFault(err))
	}
	crash.At(crash.UploadStored)
	receipt := Receipt{VideoID: id, Status: v.Status}
	var first Video
	var repeated bool
	err = s.DB.InTx(ctx, func(ctx context.Context) (err error) {
		p, err := s.store.hold(ctx, userID)
		if err != nil {
			return err
		}
		// Perhaps the same was uploaded meanwhile, on another connection.
		if first, repeated, err = s.earlier(ctx, userID, in); err != nil || repeated {
			return err
		}
		if err := s.store.insert(ctx, v, p); err != nil {
			return err
		}
		crash.At(crash.UploadInserted)
		receipt.TaskID, err = s.Queue.Enqueue(ctx, id)
		return err
	})
	if err == nil && !repeated {
		s.Log.InfoContext(ctx, "video uploaded", slog.String("video_id", id.String()), slog.String("task_id", receipt.TaskID.String()),
			slog.String("user_id", userID.String()), slog.Int64("bytes", in.bytes))
		return receipt, nil
	}
	if !errors.Is(err, database.ErrCommitUnknown) {
		clean, cancel := httpserver.Detached(ctx)
		defer cancel()
		gone := s.Originals.Delete(clean, v.OriginalKey)
		if err == nil {
			if gone != nil {
				s.Log.WarnContext(ctx, "second copy not removed, the janitor will", slog.String("key", v.OriginalKey), slog.Any("error", gone))
			}
			return s.replay(ctx, first)
		}
		err = errors.Join(err, gone)
	}
	return Receipt{}, fmt.Errorf("record video %s: %w", id, err)
}

// own returns a video of the caller: ErrNotFound when there is none,
// ErrNotOwner when it is someone else's.
func (s *service) own(ctx context.Context, userID, id uuid.UUID) (Video, error) {
	v, err := s.store.get(ctx, id)
	if err != nil {
		return Video{}, fmt.Errorf("get video %s: %w", id, err)
	}
	if v.UserID != userID {
		return Video{}, ErrNotOwner
	}
	return v, nil
}

// remove deletes a video of the caller, stops its processing, and removes its
// files. It fails with ErrNotFound, ErrNotOwner, or ErrPublished once the
// video can receive votes.
func (s *service) remove(ctx context.Context, userID, id uuid.UUID) error {
	var v Video
	err := s.DB.InTx(ctx, func(ctx context.Context) (err error) {
		// The job before the video: workers lock in this order too.
		if err = s.Queue.Cancel(ctx, id); err != nil {
			return err
		}
		crash.At(crash.DeleteCancelled)
		if v, err = s.store.lock(ctx, id); err != nil {
			return err
		}
		if v.UserID != userID {
			return ErrNotOwner
		}
		if err = v.deletable(); err != nil {
			return err
		}
		if err = s.store.delete(ctx, id); err != nil {
			return err
		}
		crash.At(crash.DeleteDeleted)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete video %s: %w", id, err)
	}
	crash.At(crash.DeleteCommitted)
	s.Log.InfoContext(ctx, "video deleted", slog.String("video_id", id.String()), slog.String("user_id", userID.String()))
	clean, cancel := httpserver.Detached(ctx)
	defer cancel()
	// The row is gone: a file that stays is the janitor's, not the client's problem.
	if err := s.Originals.Delete(clean, v.OriginalKey); err != nil {
		s.Log.WarnContext(ctx, "original not removed, the janitor will", slog.String("video_id", id.String()), slog.Any("error", err))
	}
	crash.At(crash.DeleteRemoved)
	return nil
}

// storageFault makes a failure of our storage one that passes: the request was
// in order, and the same one may succeed later. What is not there, and a key
// that cannot be, stay as they are.
func storageFault(err error) error {
	switch {
	case err == nil, errors.Is(err, storage.ErrNotExist), errors.Is(err, storage.ErrBadKey):
		return err
	case errors.Is(err, storage.ErrFull):
		return ErrStorageFull.Because(err).After(time.Minute)
	}
	return fault.ErrUnavailable.Because(err).After(storageWait)
}

// storageWait is when a client is told to try again while storage is away.
const storageWait = 15 * time.Second
