package videos

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"anb/platform/textkey"
)

// Status is where a video stands.
type Status string

// The four states. A processed video is published and can no longer be
// deleted; a failed one says why.
const (
	Uploaded   Status = "uploaded"
	Processing Status = "processing"
	Processed  Status = "processed"
	Failed     Status = "failed"
)

// Video is a player's clip.
type Video struct {
	ID             uuid.UUID
	UserID         uuid.UUID
	Title          string
	Status         Status
	OriginalKey    string
	OriginalBytes  int64
	OriginalSHA256 string        // hexadecimal
	Start          time.Duration // where the published 30 s begin
	UploadedAt     time.Time
	ProcessedAt    time.Time // zero until processed
	ProcessedKey   string
	ThumbnailKey   string
	FailureCode    string // in capitals; only when failed
	Votes          int64
	IdempotencyKey string   // the client's; set on insertion only
	Measured       Measured // the upload; set on insertion only
}

// deletable is the rule of DELETE: only until it is published.
func (v Video) deletable() error {
	if v.Status == Processed {
		return ErrPublished
	}
	return nil
}

// final reports whether the status will not change by itself any more.
func (v Video) final() bool { return v.Status == Processed || v.Status == Failed }

// MaxTitle is the longest title, in characters (runes) after trimming.
const MaxTitle = 255

// cleanTitle returns the title as it is stored: trimmed and NFC. Titles are
// free text: whoever shows one escapes it.
func cleanTitle(s string) (string, error) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", field("title", "INVALID_CHARACTER", "El título contiene caracteres no permitidos.")
	}
	s = strings.TrimSpace(textkey.NFC(s))
	if strings.IndexFunc(s, visible) < 0 {
		return "", field("title", "REQUIRED", "El título es obligatorio.")
	}
	if utf8.RuneCountInString(s) > MaxTitle {
		return "", field("title", "TOO_LONG", "El título puede tener como máximo 255 caracteres.")
	}
	return s, nil
}

// visible reports whether r leaves ink: a title of zero-width characters only
// would look empty.
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Mn, r)
}

// searchKey is what the public search looks into.
func searchKey(title, player string) string { return textkey.Fold(title + " " + player) }
