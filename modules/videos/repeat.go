package videos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// keyHeader names an upload, so that sending it again does no harm; in an
// answer replayedHeader tells that it is the first one's. Both are after the
// draft "The Idempotency-Key HTTP Header Field" of the IETF, and Stripe.
const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotent-Replayed"
	maxKey         = 255 // bytes
)

// idempotencyKey returns the request's key, "" when it has none.
func idempotencyKey(c echo.Context) (string, error) {
	keys := c.Request().Header.Values(keyHeader)
	if len(keys) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(keys[0])
	strange := func(r rune) bool { return r < '!' || r > '~' }
	if len(keys) > 1 || key == "" || len(key) > maxKey || strings.IndexFunc(key, strange) >= 0 {
		return "", field(keyHeader, "INVALID", "La cabecera Idempotency-Key debe enviarse una sola vez y tener de 1 a 255 caracteres ASCII visibles.")
	}
	return key, nil
}

// earlier returns the video that in has already become, if any: one with its
// key, or one of the same file and start within Config.RepeatWindow. Failed
// videos do not count: their players try again. It fails with ErrKeyReused
// when the key named something else.
//
// Within a transaction that holds the player, the answer stays true.
func (s *service) earlier(ctx context.Context, userID uuid.UUID, in incoming) (Video, bool, error) {
	if in.key != "" {
		v, err := s.store.keyed(ctx, userID, in.key)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return Video{}, false, fmt.Errorf("find upload by key: %w", err)
		case v.OriginalSHA256 != in.sha256 || v.Start != in.start || v.Title != in.title:
			return Video{}, false, ErrKeyReused
		default:
			return v, true, nil
		}
	}
	if s.Config.RepeatWindow <= 0 {
		return Video{}, false, nil
	}
	v, err := s.store.alike(ctx, userID, in.sha256, in.start, s.Now().Add(-s.Config.RepeatWindow))
	if errors.Is(err, ErrNotFound) {
		return Video{}, false, nil
	}
	if err != nil {
		return Video{}, false, fmt.Errorf("find upload of the same file: %w", err)
	}
	return v, true, nil
}

// replay is the receipt that the upload of v got.
func (s *service) replay(ctx context.Context, v Video) (Receipt, error) {
	task, _, _, ok, err := s.Queue.Latest(ctx, v.ID)
	if err == nil && !ok {
		err = errors.New("it has no task")
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("find task of video %s: %w", v.ID, err)
	}
	s.Log.InfoContext(ctx, "upload repeated", slog.String("video_id", v.ID.String()), slog.String("user_id", v.UserID.String()))
	return Receipt{VideoID: v.ID, TaskID: task, Status: Uploaded, Replayed: true}, nil
}
