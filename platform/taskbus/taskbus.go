// Package taskbus wakes workers through Redis: a message carries a task's name
// and one id, nothing else. It uses machinery's server, worker and message
// format with a broker of its own, because machinery's Redis broker loses what
// a dying worker has popped.
//
// The bus loses no message: a worker moves it to a list of its own, removes it
// after the handler has returned, and the list of a dead worker goes back to
// its queue. A message may be delivered more than once. It needs Redis 6.2 or
// later, one server or Sentinel, not Cluster.
package taskbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/RichardKnop/machinery/v2"
	"github.com/RichardKnop/machinery/v2/backends/null"
	"github.com/RichardKnop/machinery/v2/locks/eager"
	"github.com/RichardKnop/machinery/v2/tasks"
	"github.com/redis/go-redis/v9"
)

// callTimeout is the longest one short command may take.
const callTimeout = 2 * time.Second

// Options are the parts of a Bus; Redis and Log are required.
type Options struct {
	Redis  redis.UniversalClient // made by OpenRedis; the caller closes it
	Log    *slog.Logger
	Prefix string // of every key but the queues themselves; "anb:" when empty

	// Lease is how long after its last beat a worker counts as dead; it beats
	// three times as often. 15 s when 0; at least 300 ms.
	Lease time.Duration
	// DelayedPoll is the time between looks for due messages; 500 ms when 0.
	DelayedPoll time.Duration
	// DeadCap is how many dead messages a queue keeps; 1000 when 0.
	DeadCap int
}

// Bus sends messages and makes workers. It is safe for concurrent use and
// holds nothing that has to be closed.
type Bus struct {
	rdb     redis.UniversalClient
	log     *slog.Logger
	keys    keys
	scripts scripts
	server  *machinery.Server

	lease       time.Duration
	delayedPoll time.Duration
	deadCap     int
}

// New makes a bus; it does not talk to Redis.
func New(o Options) (*Bus, error) {
	if o.Redis == nil || o.Log == nil {
		return nil, errors.New("taskbus: Redis and Log are required")
	}
	o.Lease = orDefault(o.Lease, 15*time.Second)
	o.DelayedPoll = orDefault(o.DelayedPoll, 500*time.Millisecond)
	o.DeadCap = orDefault(o.DeadCap, 1000)
	o.Prefix = orDefault(o.Prefix, "anb:")
	if o.Lease < 300*time.Millisecond || o.DelayedPoll < 0 || o.DeadCap < 0 {
		return nil, errors.New("taskbus: lease below 300ms, or a negative option")
	}
	silenceLibraries()
	b := &Bus{
		rdb: o.Redis, log: o.Log, keys: keys{o.Prefix}, scripts: newScripts(),
		lease: o.Lease, delayedPoll: o.DelayedPoll, deadCap: o.DeadCap,
	}
	b.server = newServer(newBroker(b, 0))
	return b, nil
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// newServer starts a cron goroutine that machinery cannot stop; it sleeps.
func newServer(b *broker) *machinery.Server {
	return machinery.NewServer(b.cnf, b, null.New(), eager.New())
}

// Send appends one message to queue. It fails when ctx ends or Redis does not
// answer within 2 s; then the message may have been sent or not.
func (b *Bus) Send(ctx context.Context, queue, task, id string) error {
	return b.send(ctx, queue, task, id, nil)
}

// SendAt is Send for a message that workers shall not see before at.
func (b *Bus) SendAt(ctx context.Context, queue, task, id string, at time.Time) error {
	at = at.UTC()
	return b.send(ctx, queue, task, id, &at)
}

func (b *Bus) send(ctx context.Context, queue, task, id string, at *time.Time) error {
	if queue == "" || task == "" || id == "" || len(id) > MaxIDBytes {
		return fmt.Errorf("send: queue, task and an id of 1 to %d bytes are required", MaxIDBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s := &tasks.Signature{Name: task, RoutingKey: queue, Args: stringArg(id), ETA: at}
	if _, err := b.server.SendTaskWithContext(ctx, s); err != nil {
		err = errors.Join(err, ctx.Err()) // machinery keeps only the text of a cause
		return fmt.Errorf("send %s %s: %w", task, id, err)
	}
	return nil
}

// Ping fails when Redis does not answer within 2 s.
func (b *Bus) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := b.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}
