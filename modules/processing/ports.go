package processing

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Original is what a worker must know of an upload. It is a plain struct by
// another name, so that who implements Videos need not know this package.
type Original = struct {
	Key    string        // in the store of originals
	Start  time.Duration // where the published part begins
	Player string        // the player's name and city, for the opening card
	City   string
	// Measured says that the upload's size and length are written down.
	Measured bool
}

// Measured is what an upload is like. It is a plain struct by another name, as
// Original is.
type Measured = struct {
	Duration time.Duration // of the pictures
	Width    int           // pixels, upright
	Height   int
	Codec    string // as ffmpeg names it
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

// Videos is where results go; the videos module implements it. Its methods
// take part in the transaction that ctx carries.
type Videos interface {
	// Source returns what is to be processed.
	Source(ctx context.Context, id uuid.UUID) (Original, error)
	// MarkProcessing and Publish report false when there is no such unfinished
	// video any more.
	MarkProcessing(ctx context.Context, id uuid.UUID) (bool, error)
	Publish(ctx context.Context, id uuid.UUID, files Published) (bool, error)
	// Measure writes down what the upload is like, unless that was known.
	Measure(ctx context.Context, id uuid.UUID, m Measured) error
	// Fail ends a video with a reason's code.
	Fail(ctx context.Context, id uuid.UUID, code string) error
}

// OperatorVideos is what becomes of videos when operators order; the videos
// module implements it. Its methods take part in the transaction that ctx
// carries.
type OperatorVideos interface {
	// Reopen makes a failed video wait again, and returns the status that it
	// had, empty when it was deleted; any other stays as it is. Nobody else
	// changes the video for the rest of the transaction.
	Reopen(ctx context.Context, id uuid.UUID) (status string, err error)
	// Fail ends an unfinished video with a reason's code.
	Fail(ctx context.Context, id uuid.UUID, code string) error
}

// Bus wakes workers; platform/taskbus implements it.
type Bus interface {
	Send(ctx context.Context, queue, task, id string) error
	Depth(ctx context.Context, queue string) (int64, error)
}

// inspector judges a local file; *Inspector implements it.
type inspector interface {
	Inspect(ctx context.Context, path string) (Source, error)
}

// encoder makes the published files; *Encoders and *Encoder implement it.
type encoder interface {
	Encode(ctx context.Context, j Job, report Report) (Output, error)
}

var (
	_ inspector = (*Inspector)(nil)
	_ encoder   = (*Encoder)(nil)
	_ encoder   = (*Encoders)(nil)
)
