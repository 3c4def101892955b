package taskbus

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// popLimit is how old the last answered pop of a worker with free slots may be.
const popLimit = 15 * time.Second

// health follows the fetch loop. The zero value is of a worker not yet running.
type health struct {
	mu      sync.Mutex
	running bool
	stopped bool
	waiting bool // for an answer, not for a slot
	last    time.Time
}

func (h *health) idle(waiting bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running || waiting && !h.waiting { // the limit counts from the start of a wait
		h.last = time.Now()
	}
	h.running, h.waiting = !h.stopped, waiting
}

func (h *health) popped(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = at
}

func (h *health) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running, h.stopped = false, true
}

// Healthy fails when the worker does not run, or has a free slot and yet no
// answer from Redis to a pop within the 15 s before now. A process that lives
// but has stopped consuming is noticed by this and nothing else.
func (w *Worker) Healthy(now time.Time) error {
	h := &w.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return errors.New("worker does not consume")
	}
	if age := now.Sub(h.last); h.waiting && age > popLimit {
		return fmt.Errorf("no pop answered for %s", age.Round(time.Second))
	}
	return nil
}
