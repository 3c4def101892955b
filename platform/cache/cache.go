// Package cache keeps the answers of public reads for a moment, so that a
// stampede costs the database one query.
package cache

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Cache remembers values for at most its age. Those who write call Expire, and
// whoever reads afterwards in this process sees what was written; other
// processes see it within the age. It is safe for concurrent use.
type Cache struct {
	age        time.Duration
	most       int
	now        func() time.Time
	generation atomic.Uint64
	flight     singleflight.Group
	mu         sync.Mutex
	entries    map[string]entry
}

type entry struct {
	value      any
	generation uint64
	until      time.Time
}

// New returns a cache of at most most entries, each at most age old.
func New(age time.Duration, most int, now func() time.Time) *Cache {
	return &Cache{age: age, most: most, now: now, entries: map[string]entry{}}
}

// Expire makes everything that was read before this call count as old.
func (c *Cache) Expire() { c.generation.Add(1) }

// Get returns the value under key, loading it when it is missing or old. Of
// callers that miss at the same time one loads; load's context does not end
// with any one caller's, and so must bring a limit of its own. Errors are not
// remembered.
func Get[V any](ctx context.Context, c *Cache, key string, load func(ctx context.Context) (V, error)) (V, error) {
	g := c.generation.Load()
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	if ok && e.generation == g && c.now().Before(e.until) {
		return e.value.(V), nil
	}
	done := c.flight.DoChan(strconv.FormatUint(g, 10)+" "+key, func() (any, error) {
		until := c.now().Add(c.age) // from before the read: never staler than the age
		v, err := load(context.WithoutCancel(ctx))
		if err == nil {
			c.put(key, entry{value: v, generation: g, until: until})
		}
		return v, err
	})
	var zero V
	select {
	case <-ctx.Done():
		return zero, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return zero, r.Err
		}
		return r.Val.(V), nil
	}
}

func (c *Cache) put(key string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= c.most {
		clear(c.entries) // entries live a second: a rare full sweep is the simplest bound
	}
	c.entries[key] = e
}
