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
	// Fail ends a video with a reason's code.
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
