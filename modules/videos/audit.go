package videos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"anb/platform/audit"
	"anb/platform/database"
	"anb/platform/storage"
)

// auditBatch is how many videos one query reads.
const auditBatch = 200

// Auditor compares what the rows of videos say with what storage holds. It
// changes nothing.
type Auditor struct {
	DB        *database.DB
	Originals storage.Store
	Processed storage.Store
	Quick     bool // compare sizes and not contents
}

// Audit reports every file that a video needs and that is missing, of another
// size or of other content, and returns how many videos it looked at. An error
// means that it could not look.
func (a Auditor) Audit(ctx context.Context, report audit.Report) (looked int, err error) {
	s := store{a.DB}
	for after := uuid.Nil; ; {
		rows, err := s.page(ctx, after, auditBatch)
		if err != nil {
			return looked, fmt.Errorf("list videos: %w", err)
		}
		for _, r := range rows {
			if err := a.video(ctx, s, r, report); err != nil {
				return looked, fmt.Errorf("audit video %s: %w", r.ID, err)
			}
			looked++
		}
		if len(rows) < auditBatch {
			return looked, nil
		}
		after = rows[len(rows)-1].ID
	}
}

// file is what a row says of a file.
type file struct {
	kind   string
	unread bool // by anybody but its owner, so that an archive is a fit place
	store  storage.Store
	key    *string
	bytes  *int64
	sha256 *string
}

func (a Auditor) video(ctx context.Context, s store, r row, report audit.Report) error {
	for _, f := range []file{
		{"original", r.Status == Processed, a.Originals, &r.OriginalKey, &r.OriginalBytes, &r.OriginalSHA256},
		{"published", false, a.Processed, r.ProcessedKey, r.ProcessedBytes, r.ProcessedSHA256},
		{"poster", false, a.Processed, r.ThumbnailKey, r.ThumbnailBytes, r.ThumbnailSHA256},
	} {
		if f.key == nil {
			continue
		}
		wrong, err := f.wrong(ctx, a.Quick)
		if err != nil {
			return err
		}
		if wrong == "" {
			continue
		}
		// Deleted while we looked, together with its row?
		if _, err := s.get(ctx, r.ID); errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		report(audit.Finding{Check: f.kind, Subject: "of video " + r.ID.String(), Detail: *f.key + " " + wrong})
	}
	return nil
}

// wrong tells what is wrong with a file, "" if nothing.
func (f file) wrong(ctx context.Context, quick bool) (string, error) {
	o, err := f.store.Open(ctx, *f.key)
	if errors.Is(err, storage.ErrNotExist) {
		return "is missing", nil
	}
	if err != nil {
		return "", err
	}
	defer o.Close()
	if size := o.Info().Size; f.bytes != nil && size != *f.bytes {
		return fmt.Sprintf("has %d bytes instead of %d", size, *f.bytes), nil
	}
	if quick || f.sha256 == nil {
		return "", nil
	}
	h := sha256.New()
	switch _, err := io.Copy(h, o); {
	case errors.Is(err, storage.ErrArchived) && f.unread:
		return "", nil
	case errors.Is(err, storage.ErrArchived):
		return "is archived and cannot be read", nil
	case err != nil:
		return "", fmt.Errorf("read %s: %w", *f.key, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != *f.sha256 {
		return "has other content than was stored: SHA-256 " + got, nil
	}
	return "", nil
}
