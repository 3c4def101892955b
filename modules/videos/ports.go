package videos

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Measured is what an upload is like. It is a plain struct by another name, so
// that who implements Inspector need not know this package.
type Measured = struct {
	Duration time.Duration // of the pictures
	Width    int           // pixels, upright
	Height   int
	Codec    string // as ffmpeg names it
}

// Inspector looks at a staged local file before it is accepted. It returns a
// fault with the stable code when the file is refused; processing implements
// it with ffprobe.
type Inspector interface {
	Inspect(ctx context.Context, path string) (Measured, error)
}

// Queue has videos processed; processing.Client implements it. Enqueue and
// Cancel take part in the transaction that ctx carries.
type Queue interface {
	// Enqueue records that a video is to be processed and returns the task's id.
	Enqueue(ctx context.Context, videoID uuid.UUID) (taskID uuid.UUID, err error)
	// Cancel stops the processing of a video; nothing to stop is not an error.
	Cancel(ctx context.Context, videoID uuid.UUID) error
	// Latest returns the newest task of a video with its stage and its progress
	// in percent, and false if there is none.
	Latest(ctx context.Context, videoID uuid.UUID) (id uuid.UUID, stage string, progress float64, ok bool, err error)
}
