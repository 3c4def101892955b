package taskbus

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff paces attempts against a Redis that does not answer: the pause
// doubles from 100 ms to 3 s, less up to half of it, so that many workers do
// not return together. The zero value is ready.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

func (b *backoff) next() time.Duration {
	d := min(100*time.Millisecond<<min(b.failures, 5), 3*time.Second)
	b.failures++
	return d/2 + rand.N(d/2)
}

// wait pauses once; it returns at once when ctx ends.
func (b *backoff) wait(ctx context.Context) { pause(ctx, b.next()) }

// pause waits for d and reports whether ctx is still going.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
