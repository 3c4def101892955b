package processing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// OrdersInterval is the time between two looks of a worker at its orders.
const OrdersInterval = time.Second

// orders are what operators want of one worker.
type orders struct {
	drain bool
	slots int      // 0: as it was started
	idle  []string // queues that it leaves alone
}

// duty is what a worker does under its orders.
type duty struct {
	draining bool
	slots    int
	queues   []string // that it takes jobs of; none while it drains
}

func (d duty) equal(o duty) bool {
	return d.draining == o.draining && d.slots == o.slots && slices.Equal(d.queues, o.queues)
}

// under is what the worker does when it obeys o.
func (w *Worker) under(o orders) duty {
	d := duty{draining: o.drain, slots: w.Slots}
	if o.slots > 0 {
		d.slots = o.slots
	}
	for _, q := range w.Queues {
		if !o.drain && !slices.Contains(o.idle, q) {
			d.queues = append(d.queues, q)
		}
	}
	return d
}

// Obey returns a function that looks at what operators ordered this worker, to
// be called each OrdersInterval. When that has changed it calls adjust, such as
// taskbus.Worker.Adjust, and from then on the worker claims only what it should.
// Orders are of this process: another one begins as it is configured.
func (w *Worker) Obey(adjust func(slots int, queues []string)) func(context.Context) error {
	return func(ctx context.Context) error {
		o, err := w.store.orders(ctx, w.ID)
		if err != nil {
			return fmt.Errorf("look at orders: %w", err)
		}
		d := w.under(o)
		if d.equal(*w.duty.Load()) {
			return nil
		}
		w.duty.Store(&d)
		adjust(d.slots, d.queues)
		w.Log.InfoContext(ctx, "operators ordered", slog.String("worker", w.ID), slog.Bool("drain", d.draining),
			slog.Int("slots", d.slots), slog.Any("queues", d.queues))
		return nil
	}
}
