package taskbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ErrWorkerUsed is what a second Run returns.
var ErrWorkerUsed = errors.New("taskbus: a worker runs only once")

// settleTime is how long Run waits for handlers whose context it has cancelled.
const settleTime = 3 * time.Second

// Handler does the task for id. It keeps its own books: whatever happens, the
// message is acknowledged when it returns; a panic is logged. ctx ends when the
// worker's drain time is over, and only then; the message goes back to its
// queue in that case.
type Handler func(ctx context.Context, id string)

// WorkerOptions say what a worker does; all but Drain are required.
type WorkerOptions struct {
	ID          string             // for people; need not be unique
	Queues      []string           // earlier ones first
	Concurrency int                // handlers at once over all queues
	Tasks       map[string]Handler // by task name
	Drain       time.Duration      // how long handlers may go on after ctx has ended
}

func (o WorkerOptions) validate() error {
	var errs []error
	if o.ID == "" || strings.Contains(o.ID, "|") {
		errs = append(errs, errors.New("ID is empty or has a |"))
	}
	if len(o.Queues) == 0 || slices.Contains(o.Queues, "") {
		errs = append(errs, errors.New("no queue, or one without a name"))
	}
	if sorted := slices.Sorted(slices.Values(o.Queues)); len(slices.Compact(sorted)) != len(o.Queues) {
		errs = append(errs, errors.New("a queue is named twice"))
	}
	if o.Concurrency < 1 {
		errs = append(errs, errors.New("concurrency is below 1"))
	}
	if len(o.Tasks) == 0 {
		errs = append(errs, errors.New("no tasks"))
	}
	for name, h := range o.Tasks {
		if name == "" || h == nil {
			errs = append(errs, fmt.Errorf("task %q has no name or no handler", name))
		}
	}
	if o.Drain < 0 {
		errs = append(errs, errors.New("drain is negative"))
	}
	return errors.Join(errs...)
}

// Worker pops messages and runs their handlers. It is made by NewWorker.
type Worker struct {
	bus      *Bus
	o        WorkerOptions
	instance string // ID and a random part: a restarted worker is another one
	broker   *broker
	capacity *capacity
	jobs     sync.WaitGroup
	health   health

	mu       sync.Mutex
	held     map[message]int // popped and not acknowledged
	started  atomic.Bool
	lastBeat atomic.Int64 // Unix ns of this process's clock
}

// NewWorker checks o and makes a worker; nothing happens before Run.
func (b *Bus) NewWorker(o WorkerOptions) (*Worker, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("taskbus worker: %w", err)
	}
	o.Queues = slices.Clone(o.Queues)
	return &Worker{
		bus: b, o: o,
		instance: o.ID + "#" + uuid.NewString()[:8],
		broker:   newBroker(b, len(o.Queues)),
		capacity: newCapacity(o.Concurrency, o.Queues),
		held:     map[message]int{},
	}, nil
}

// Run consumes until ctx ends. Then it pops no more, lets handlers finish for
// at most Drain, cancels their context, gives them 3 s more, and returns what
// is not acknowledged to the head of its queue in order. It ends within Drain
// and ten seconds even when Redis is away (then another worker's reaper returns
// the messages) or a handler ignores its context (then that goroutine stays).
//
// A clean stop is nil; a second call is ErrWorkerUsed.
func (w *Worker) Run(ctx context.Context) error {
	if !w.started.CompareAndSwap(false, true) {
		return ErrWorkerUsed
	}
	work, cancelWork := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelWork()
	ended, err := w.launch(work)
	if err != nil {
		return fmt.Errorf("taskbus worker %s: %w", w.o.ID, err)
	}

	// Beats go on while handlers drain.
	upkeep, cancelUpkeep := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelUpkeep()
	var upkeepers sync.WaitGroup
	upkeepers.Go(func() { w.every(upkeep, w.bus.lease/3, "beat", w.beatAndReap) })
	upkeepers.Go(func() { w.every(upkeep, w.bus.delayedPoll, "delayed", w.moveDue) })

	done := make(chan struct{})
	go func() {
		defer close(done)
		w.fetch(ctx, work)
		w.jobs.Wait()
	}()
	w.bus.log.InfoContext(ctx, "worker consumes", slog.String("worker", w.instance),
		slog.Any("queues", w.o.Queues), slog.Int("concurrency", w.o.Concurrency))

	<-ctx.Done()
	w.health.stop()
	if !wait(done, w.o.Drain) {
		cancelWork()
		if !wait(done, settleTime) {
			w.bus.log.ErrorContext(ctx, "handlers ignore the end of their context", slog.String("worker", w.instance))
		}
	}
	cancelWork()
	cancelUpkeep()
	upkeepers.Wait()
	w.leave(context.WithoutCancel(ctx))
	w.broker.StopConsuming()
	for range w.o.Queues {
		<-ended
	}
	return nil
}

// launch registers the tasks with a machinery server and starts one machinery
// worker for each queue. The channel gets one value for each that has ended.
func (w *Worker) launch(work context.Context) (<-chan error, error) {
	server := newServer(w.broker)
	for name, h := range w.o.Tasks {
		call := func(id string) error { w.call(work, name, h, id); return nil }
		if err := server.RegisterTask(name, call); err != nil {
			return nil, fmt.Errorf("register %s: %w", name, err)
		}
	}
	ended := make(chan error, len(w.o.Queues))
	for _, q := range w.o.Queues {
		server.NewCustomQueueWorker(w.instance, w.o.Concurrency, q).LaunchAsync(ended)
	}
	for range w.o.Queues {
		<-w.broker.joined
	}
	return ended, nil
}

// leave returns what is still held and ends the heartbeat. The worker stays in
// the registry: should Redis still hand it a message, the reaper finds it.
func (w *Worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var errs []error
	for _, q := range w.o.Queues {
		n, err := w.bus.scripts.giveBack.Run(ctx, w.bus.rdb, []string{w.processing(q), q}).Int()
		if n > 0 {
			w.bus.log.InfoContext(ctx, "messages returned", slog.String("queue", q), slog.Int("count", n))
		}
		errs = append(errs, err)
	}
	errs = append(errs, w.bus.rdb.Del(ctx, w.bus.keys.beat(w.instance)).Err())
	if err := errors.Join(errs...); err != nil {
		w.bus.log.WarnContext(ctx, "worker leaves its messages to the reaper",
			slog.String("worker", w.instance), slog.Any("error", err))
	}
}

func (w *Worker) processing(queue string) string {
	return w.bus.keys.processing(queue, w.instance)
}

// wait reports whether c was closed within d.
func wait(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}
