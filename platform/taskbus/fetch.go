package taskbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"anb/platform/crash"
)

const (
	// blockFor is how long one pop waits on a single queue.
	blockFor = time.Second
	// blockShared is the same when there are more queues to look at: the
	// longest that a message on a later queue waits for a free worker.
	blockShared = 250 * time.Millisecond
	// auditEvery is the time between looks for messages whose pop was answered
	// into a broken connection, auditAfterTrouble the same after an error: by
	// then Redis has given up on that connection.
	auditEvery        = 30 * time.Second
	auditAfterTrouble = 2 * time.Second
)

// fetch pops until ctx ends: first a slot, then a message for it.
func (w *Worker) fetch(ctx, work context.Context) {
	var back backoff
	audit := time.Now().Add(auditEvery)
	for {
		w.health.idle(false) // all slots may be busy for hours
		queues, ok := w.capacity.take(ctx)
		if !ok {
			return
		}
		w.health.idle(true)
		crash.At(crash.FetchNext)
		m, found, err := w.next(ctx, queues, &audit)
		if ctx.Err() != nil {
			w.capacity.release() // what was popped is returned by leave
			return
		}
		if err == nil && found && !w.capacity.admits(m.queue) {
			found, err = false, w.refuse(ctx, m)
		}
		if err != nil {
			w.capacity.release()
			if back.failures == 0 {
				w.bus.log.WarnContext(ctx, "pop failed, will try again", slog.String("worker", w.instance), slog.Any("error", err))
			}
			audit = time.Now().Add(auditAfterTrouble)
			back.wait(ctx)
			continue
		}
		if back.failures > 0 {
			w.bus.log.InfoContext(ctx, "pop works again", slog.String("worker", w.instance), slog.Int("failures", back.failures))
			back.reset()
		}
		w.health.popped(time.Now())
		if !found {
			w.capacity.release()
			continue
		}
		w.hold(m)
		w.jobs.Go(func() { w.do(work, m) })
	}
}

// next makes sure the worker counts as alive, now and then looks for lost
// answers, and pops from queues. It is not cut short by ctx: the answer would be
// lost.
func (w *Worker) next(ctx context.Context, queues []string, audit *time.Time) (message, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blockFor+callTimeout)
	defer cancel()
	if time.Since(time.Unix(0, w.lastBeat.Load())) > w.bus.lease/2 {
		if err := w.beat(ctx); err != nil {
			return message{}, false, err
		}
	}
	if time.Now().After(*audit) {
		if err := w.restoreLost(ctx); err != nil {
			return message{}, false, err
		}
		*audit = time.Now().Add(auditEvery)
	}
	first := queues[0]
	if len(queues) == 1 {
		return w.block(ctx, first, blockFor)
	}
	m, found, err := w.popAny(ctx, queues)
	if err != nil || found {
		return m, found, err
	}
	return w.block(ctx, first, blockShared)
}

// refuse returns a message to the head of its queue: Adjust forbade it while the
// pop was under way. When that fails restoreLost does it, since nobody holds it.
func (w *Worker) refuse(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := w.bus.scripts.restore.Run(ctx, w.bus.rdb, []string{w.processing(m.queue), m.queue}, m.payload).Err(); err != nil {
		return fmt.Errorf("return a message to %s: %w", m.queue, err)
	}
	return nil
}

// block waits on one queue. BLMove of the client rounds to whole seconds.
func (w *Worker) block(ctx context.Context, queue string, d time.Duration) (message, bool, error) {
	payload, err := w.bus.rdb.Do(ctx, "BLMOVE", queue, w.processing(queue), "LEFT", "RIGHT", d.Seconds()).Text()
	if errors.Is(err, redis.Nil) {
		return message{}, false, nil
	}
	if err != nil {
		return message{}, false, fmt.Errorf("pop from %s: %w", queue, err)
	}
	return message{queue, payload}, true, nil
}

// popAny takes the first message of the first queue that has one.
func (w *Worker) popAny(ctx context.Context, queues []string) (message, bool, error) {
	var names []string
	for _, q := range queues {
		names = append(names, q, w.processing(q))
	}
	found, err := w.bus.scripts.pop.Run(ctx, w.bus.rdb, names).Slice()
	if errors.Is(err, redis.Nil) {
		return message{}, false, nil
	}
	if err != nil {
		return message{}, false, fmt.Errorf("pop from %d queues: %w", len(queues), err)
	}
	if len(found) == 2 {
		i, isNumber := found[0].(int64)
		payload, isText := found[1].(string)
		if isNumber && isText && i >= 1 && int(i) <= len(queues) {
			return message{queues[i-1], payload}, true, nil
		}
	}
	return message{}, false, fmt.Errorf("pop from %d queues: unexpected answer", len(queues))
}

// restoreLost returns what Redis says this worker holds and it does not. Only
// the fetch loop calls it, so that no pop is under way.
func (w *Worker) restoreLost(ctx context.Context) error {
	for _, q := range w.o.Queues {
		payloads, err := w.bus.rdb.LRange(ctx, w.processing(q), 0, -1).Result()
		if err != nil {
			return fmt.Errorf("look for lost messages of %s: %w", q, err)
		}
		seen := map[string]int{}
		for _, p := range payloads {
			seen[p]++
		}
		for i := len(payloads) - 1; i >= 0; i-- { // newest first, each to the head
			p := payloads[i]
			if seen[p] <= w.holds(message{q, p}) {
				continue
			}
			seen[p]--
			if err := w.bus.scripts.restore.Run(ctx, w.bus.rdb, []string{w.processing(q), q}, p).Err(); err != nil {
				return fmt.Errorf("restore a message to %s: %w", q, err)
			}
			w.bus.log.WarnContext(ctx, "message restored after a lost answer", slog.String("queue", q))
		}
	}
	return nil
}
