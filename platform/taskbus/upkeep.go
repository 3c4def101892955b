package taskbus

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// remember is how long a dead worker's lists are still looked at.
	remember = 10 * time.Minute
	// dueBatch is how many delayed messages one step moves.
	dueBatch = 200
)

// every calls f at once and then every d until ctx ends, slower while it fails.
func (w *Worker) every(ctx context.Context, d time.Duration, what string, f func(context.Context) error) {
	var back backoff
	for {
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		next := d
		if err != nil {
			if back.failures == 0 {
				w.bus.log.WarnContext(ctx, "upkeep failed, will try again", slog.String("step", what), slog.Any("error", err))
			}
			next = back.next()
		} else {
			back.reset()
		}
		if !pause(ctx, next) {
			return
		}
	}
}

// beat says that this worker lives, in one step with its registration.
func (w *Worker) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	args := []any{w.bus.lease.Milliseconds()}
	for _, q := range w.o.Queues {
		args = append(args, member(w.instance, q))
	}
	at := time.Now()
	names := []string{w.bus.keys.beat(w.instance), w.bus.keys.registry()}
	if err := w.bus.scripts.beat.Run(ctx, w.bus.rdb, names, args...).Err(); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	w.lastBeat.Store(at.UnixNano())
	return nil
}

func (w *Worker) beatAndReap(ctx context.Context) error {
	if err := w.beat(ctx); err != nil {
		return err
	}
	return w.reap(ctx)
}

// reap returns the messages of every worker without a heartbeat to the heads
// of their queues, in order.
func (w *Worker) reap(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	k := w.bus.keys
	members, err := w.bus.rdb.ZRange(ctx, k.registry(), 0, -1).Result()
	if err != nil {
		return fmt.Errorf("list workers: %w", err)
	}
	for _, m := range members {
		instance, queue, ok := splitMember(m)
		if !ok || instance == w.instance {
			continue
		}
		names := []string{k.beat(instance), k.processing(queue, instance), queue, k.registry()}
		n, err := w.bus.scripts.reap.Run(ctx, w.bus.rdb, names, m, int(remember.Seconds())).Int()
		if err != nil {
			return fmt.Errorf("reap %s: %w", instance, err)
		}
		if n > 0 {
			w.bus.log.WarnContext(ctx, "messages of a dead worker returned",
				slog.String("dead_worker", instance), slog.String("queue", queue), slog.Int("count", n))
		}
	}
	return nil
}

// moveDue moves what is due on this worker's queues, batch after batch.
func (w *Worker) moveDue(ctx context.Context) error {
	for _, q := range w.o.Queues {
		for n := dueBatch; n == dueBatch; {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			var err error
			n, err = w.bus.scripts.due.Run(call, w.bus.rdb, []string{w.bus.keys.delayed(q), q}, dueBatch).Int()
			cancel()
			if err != nil {
				return fmt.Errorf("move due messages of %s: %w", q, err)
			}
		}
	}
	return nil
}
