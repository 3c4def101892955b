package processing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"

	"anb/platform/crash"
)

// product is what an attempt has made.
type product struct {
	files        Published // what is in storage so far
	decodeErrors int
	codec        string
	said         *tail // by ffmpeg; never nil
}

// unguessable names an attempt's files: nobody can ask for them before they
// are published, and no two attempts write to one name.
func unguessable(c claim) (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return c.VideoID.String() + "-" + strconv.FormatInt(c.Fence, 10) + "-" + hex.EncodeToString(b[:]), nil
}

// publish shows the result, if the job is still this claim's.
func (w *Worker) publish(ctx context.Context, c claim, made product) error {
	err := w.DB.InTx(ctx, func(ctx context.Context) error {
		if err := w.store.finish(ctx, c, Done, outcomeDone, &Failure{Tail: made.said.text(), commands: made.said.commands()}, 0); err != nil {
			return err
		}
		crash.At(crash.PublishFinished)
		if err := w.store.describe(ctx, c, made); err != nil {
			return err
		}
		ok, err := w.Videos.Publish(ctx, c.VideoID, made.files)
		if err == nil && !ok {
			return errLost
		}
		crash.At(crash.PublishPublished)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	crash.At(crash.PublishCommitted)
	return nil
}

// discard removes the files of an attempt that was not published.
func (w *Worker) discard(ctx context.Context, made product, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, storagePatience)
	defer cancel()
	for _, key := range []string{made.files.VideoKey, made.files.ThumbnailKey} {
		if key == "" {
			continue
		}
		if err := w.Processed.Delete(ctx, key); err != nil {
			log.WarnContext(ctx, "result not removed, the janitor will", slog.String("key", key), slog.Any("error", err))
		}
	}
}
