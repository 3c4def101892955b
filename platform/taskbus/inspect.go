package taskbus

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Stats are the sizes of one queue at one moment.
type Stats struct {
	Waiting   int64 // to be popped now
	Delayed   int64 // to be popped later
	InFlight  int64 // popped and not yet acknowledged, over all workers
	Dead      int64 // set aside and still kept
	DeadTotal int64 // ever set aside
}

// Depth returns how many messages wait on queue.
func (b *Bus) Depth(ctx context.Context, queue string) (int64, error) {
	n, err := b.rdb.LLen(ctx, queue).Result()
	if err != nil {
		return 0, fmt.Errorf("depth of %s: %w", queue, err)
	}
	return n, nil
}

// DeadLen returns how many dead messages of queue are kept.
func (b *Bus) DeadLen(ctx context.Context, queue string) (int64, error) {
	n, err := b.rdb.LLen(ctx, b.keys.dead(queue)).Result()
	if err != nil {
		return 0, fmt.Errorf("dead messages of %s: %w", queue, err)
	}
	return n, nil
}

// Stats returns the sizes of queue, read in two round trips.
func (b *Bus) Stats(ctx context.Context, queue string) (Stats, error) {
	members, err := b.rdb.ZRange(ctx, b.keys.registry(), 0, -1).Result()
	if err != nil {
		return Stats{}, fmt.Errorf("list workers: %w", err)
	}
	var waiting, delayed, dead *redis.IntCmd
	var total *redis.StringCmd
	var flying []*redis.IntCmd
	_, err = b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		waiting, dead = p.LLen(ctx, queue), p.LLen(ctx, b.keys.dead(queue))
		delayed = p.ZCard(ctx, b.keys.delayed(queue))
		for _, m := range members {
			if instance, q, ok := splitMember(m); ok && q == queue {
				flying = append(flying, p.LLen(ctx, b.keys.processing(q, instance)))
			}
		}
		total = p.HGet(ctx, b.keys.deadTotal(), queue)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Stats{}, fmt.Errorf("stats of %s: %w", queue, err)
	}
	s := Stats{Waiting: waiting.Val(), Delayed: delayed.Val(), Dead: dead.Val()}
	s.DeadTotal, _ = total.Int64() // absent: none yet
	for _, f := range flying {
		s.InFlight += f.Val()
	}
	return s, nil
}
