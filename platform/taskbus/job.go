package taskbus

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"anb/platform/crash"
)

// do runs one message through machinery and acknowledges it. It owns a slot
// and keeps it until the acknowledgement is through: while Redis is away there
// is nothing to pop, and what waits to be acknowledged stays bounded.
func (w *Worker) do(work context.Context, m message) {
	defer w.capacity.release()
	s, err := decode(m.payload, w.broker.IsTaskRegistered)
	if err != nil {
		w.bury(work, m, err)
		return
	}
	finished := false
	defer func() { // also when a handler ends its goroutine
		if !finished {
			w.ack(work, m)
		}
	}()
	err = w.broker.processor(m.queue).Process(s)
	finished = true
	if err != nil { // decode has checked all that makes machinery refuse
		w.bury(work, m, fmt.Errorf("refused by machinery: %w", err))
		return
	}
	crash.At(crash.AckPending)
	w.ack(work, m)
	crash.At(crash.AckDone)
}

// call runs h; a panic in it is logged here and goes no further.
func (w *Worker) call(ctx context.Context, task string, h Handler, id string) {
	defer func() {
		if p := recover(); p != nil {
			w.bus.log.ErrorContext(ctx, "handler panicked", slog.String("task", task), slog.String("id", id),
				slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	h(ctx, id)
}

func (w *Worker) ack(work context.Context, m message) {
	w.settle(work, m, func(ctx context.Context) error {
		return w.bus.rdb.LRem(ctx, w.processing(m.queue), 1, m.payload).Err()
	})
}

// settle does f, which removes m from the processing list, until it succeeds.
// Once work has ended it does nothing: m is then returned to its queue.
func (w *Worker) settle(work context.Context, m message, f func(context.Context) error) {
	var back backoff
	for work.Err() == nil {
		ctx, cancel := context.WithTimeout(work, callTimeout)
		err := f(ctx)
		cancel()
		if err == nil {
			w.release(m)
			return
		}
		if back.failures == 0 {
			w.bus.log.WarnContext(work, "acknowledgement failed, will try again",
				slog.String("queue", m.queue), slog.Any("error", err))
		}
		back.wait(work)
	}
}

func (w *Worker) hold(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[m]++
}

func (w *Worker) holds(m message) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[m]
}

func (w *Worker) release(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held[m]--; w.held[m] <= 0 {
		delete(w.held, m)
	}
}
