package taskbus

import (
	"context"
	"slices"
	"sync"
)

// capacity is what a worker may do now: how many handlers at once, and of which
// queues. Slots that are taken stay so when it shrinks.
type capacity struct {
	changed chan struct{} // wakes take, of which there is one

	mu     sync.Mutex
	slots  int
	taken  int
	queues []string
}

func newCapacity(slots int, queues []string) *capacity {
	return &capacity{changed: make(chan struct{}, 1), slots: slots, queues: queues}
}

// take waits for a slot and a queue, and returns the queues for that slot; it is
// false when ctx ends first.
func (c *capacity) take(ctx context.Context) (queues []string, ok bool) {
	for ctx.Err() == nil {
		if queues, ok = c.tryTake(); ok {
			return queues, true
		}
		select {
		case <-ctx.Done():
		case <-c.changed:
		}
	}
	return nil, false
}

func (c *capacity) tryTake() (queues []string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken >= c.slots || len(c.queues) == 0 {
		return nil, false
	}
	c.taken++
	return c.queues, true
}

func (c *capacity) release() {
	c.mu.Lock()
	c.taken--
	c.mu.Unlock()
	c.wake()
}

func (c *capacity) set(slots int, queues []string) {
	c.mu.Lock()
	c.slots, c.queues = slots, queues
	c.mu.Unlock()
	c.wake()
}

// admits reports whether a message of queue may use the slot that was taken for
// it.
func (c *capacity) admits(queue string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken <= c.slots && slices.Contains(c.queues, queue)
}

func (c *capacity) wake() {
	select {
	case c.changed <- struct{}{}:
	default: // it is awake already
	}
}

// Adjust changes how many handlers run at once and from which of its queues the
// worker pops; others than its own are ignored, and their order stays as it was.
// With no slots or no queues it pops nothing and counts as healthy. What runs is
// never ended by it. It may be called at any time, also before Run, and holds
// from the moment when it returns.
func (w *Worker) Adjust(slots int, queues []string) {
	var own []string
	for _, q := range w.o.Queues {
		if slices.Contains(queues, q) {
			own = append(own, q)
		}
	}
	w.capacity.set(max(0, slots), own)
}
