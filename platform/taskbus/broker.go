package taskbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/RichardKnop/machinery/v2/brokers/iface"
	"github.com/RichardKnop/machinery/v2/config"
	"github.com/RichardKnop/machinery/v2/tasks"
	"github.com/redis/go-redis/v9"
)

// broker is machinery's view of the bus. It publishes, and it collects the
// task processors of a Worker, one a queue; the Worker itself does the popping,
// because its queues share slots and machinery's workers know only their own.
type broker struct {
	cnf  *config.Config
	rdb  redis.UniversalClient
	keys keys

	mu         sync.Mutex
	names      []string
	processors map[string]iface.TaskProcessor
	joined     chan struct{} // one value for each processor that has come
	stop       chan struct{}
	stopOnce   sync.Once
}

var _ iface.Broker = (*broker)(nil)

func newBroker(b *Bus, queues int) *broker {
	return &broker{
		cnf:        &config.Config{NoUnixSignals: true},
		rdb:        b.rdb,
		keys:       b.keys,
		processors: map[string]iface.TaskProcessor{},
		joined:     make(chan struct{}, queues),
		stop:       make(chan struct{}),
	}
}

func (b *broker) GetConfig() *config.Config { return b.cnf }

func (b *broker) SetRegisteredTaskNames(names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names = slices.Clone(names)
}

func (b *broker) IsTaskRegistered(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.names, name)
}

// StartConsuming hands p to the Worker and waits for StopConsuming. It never
// asks for a retry: machinery would repeat it without a pause.
func (b *broker) StartConsuming(_ string, _ int, p iface.TaskProcessor) (bool, error) {
	b.mu.Lock()
	b.processors[p.CustomQueue()] = p
	b.mu.Unlock()
	b.joined <- struct{}{}
	<-b.stop
	return false, nil
}

// StopConsuming may be called more than once.
func (b *broker) StopConsuming() { b.stopOnce.Do(func() { close(b.stop) }) }

func (b *broker) processor(queue string) iface.TaskProcessor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.processors[queue]
}

// Publish appends s to the queue its RoutingKey names, or keeps it until its
// ETA when that is in the future.
func (b *broker) Publish(ctx context.Context, s *tasks.Signature) error {
	if s.RoutingKey == "" {
		return errors.New("publish: no queue named")
	}
	payload, err := json.Marshal(s) // the old package: machinery's own form
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if s.ETA != nil && s.ETA.After(time.Now()) {
		z := redis.Z{Score: float64(s.ETA.UnixMilli()), Member: payload}
		if err := b.rdb.ZAdd(ctx, b.keys.delayed(s.RoutingKey), z).Err(); err != nil {
			return fmt.Errorf("delay message on %s: %w", s.RoutingKey, err)
		}
		return nil
	}
	if err := b.rdb.RPush(ctx, s.RoutingKey, payload).Err(); err != nil {
		return fmt.Errorf("push message on %s: %w", s.RoutingKey, err)
	}
	return nil
}

// pageSize limits what the two listings below read: a queue may be long.
const pageSize = 50

// GetPendingTasks returns the first 50 messages of queue that can be decoded.
func (b *broker) GetPendingTasks(queue string) ([]*tasks.Signature, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout) // machinery gives none
	defer cancel()
	payloads, err := b.rdb.LRange(ctx, queue, 0, pageSize-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list pending on %s: %w", queue, err)
	}
	return signatures(payloads), nil
}

// GetDelayedTasks returns the first 50 delayed messages of each queue served.
func (b *broker) GetDelayedTasks() ([]*tasks.Signature, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	b.mu.Lock()
	var queues []string
	for q := range b.processors {
		queues = append(queues, q)
	}
	b.mu.Unlock()
	slices.Sort(queues)
	var all []*tasks.Signature
	for _, q := range queues {
		payloads, err := b.rdb.ZRange(ctx, b.keys.delayed(q), 0, pageSize-1).Result()
		if err != nil {
			return nil, fmt.Errorf("list delayed on %s: %w", q, err)
		}
		all = append(all, signatures(payloads)...)
	}
	return all, nil
}

func signatures(payloads []string) []*tasks.Signature {
	var all []*tasks.Signature
	for _, p := range payloads {
		var s tasks.Signature
		if json.Unmarshal([]byte(p), &s) == nil {
			all = append(all, &s)
		}
	}
	return all
}

// AdjustRoutingKey does nothing: every message names its queue.
func (b *broker) AdjustRoutingKey(*tasks.Signature) {}
