package monitor

import (
	"context"

	"github.com/google/uuid"
)

// Control is what operators may do to jobs, queues and workers; what obeys it
// is in processing, whose Operator implements it. All take part in the
// transaction that ctx carries, and return faults whose sentences may be shown:
// a conflict names the state in which the thing is.
type Control interface {
	// Retry gives a job all its attempts anew; operation names the bulk action
	// that asks for it, if one does.
	Retry(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) error
	// Cancel ends a job. A running one ends within seconds: stopping is true.
	Cancel(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) (stopping bool, err error)
	// Discard takes a job off the dead-letter list.
	Discard(ctx context.Context, job uuid.UUID, operation uuid.NullUUID) error
	// Submit makes a new job for a video that failed.
	Submit(ctx context.Context, video uuid.UUID) (job uuid.UUID, err error)

	// The rest report false when there was nothing to change.
	Pause(ctx context.Context, queue, reason, who string) (changed bool, err error)
	Resume(ctx context.Context, queue string) (changed bool, err error)
	Drain(ctx context.Context, worker string) (changed bool, err error)
	Undrain(ctx context.Context, worker string) (changed bool, err error)
	Scale(ctx context.Context, worker string, slots int) (changed bool, err error)
	Consume(ctx context.Context, worker, queue string, on bool) (changed bool, err error)
}

// Bus tells what is on the message bus; platform/taskbus answers.
type Bus interface {
	// Messages returns how many wake-ups wait for a queue, and how many messages
	// were ever set aside because nobody could read them.
	Messages(ctx context.Context, queue string) (waiting, poison int64, err error)
}

// Links makes addresses at which a browser finds files; the videos module knows
// them. Each is empty when there is none to be had.
type Links interface {
	Poster(key string) string
	Video(key string) string
	// Original is an address that is valid for a short time.
	Original(video uuid.UUID) string
}
