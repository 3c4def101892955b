package processing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// tier is one width of samples.
type tier struct {
	width   string // as it is stored
	length  time.Duration
	keep    time.Duration
	ongoing bool // the interval that is not over yet has a sample too
}

func tiers() []tier {
	const day = 24 * time.Hour
	return []tier{
		{width: "minute", length: time.Minute, keep: 7 * day},
		{width: "hour", length: time.Hour, keep: 90 * day, ongoing: true},
		{width: "day", length: day, keep: 90 * day, ongoing: true},
	}
}

const (
	// SampleInterval is the time between two looks at the queues.
	SampleInterval = time.Minute
	// settled is when an interval that is over is sampled for the last time:
	// transactions of its end are over by then.
	settled = 2 * time.Minute
	// backfill is how many intervals are made up for when no worker lived.
	backfill = 120
)

// SampleQueues writes down how the worker's queues fare, and others in which
// jobs wait: in minutes, hours and days, in UTC, so that charts survive restarts.
// Of any number of workers that do so one does the work of a minute; two at once
// do no harm. What nobody sampled for a while is made up for, up to two hours of
// minutes.
func (w *Worker) SampleQueues(ctx context.Context) error {
	now, err := w.store.now(ctx)
	if err != nil {
		return fmt.Errorf("sample queues: %w", err)
	}
	return w.sampleAt(ctx, now)
}

func (w *Worker) sampleAt(ctx context.Context, now time.Time) error {
	queues, err := w.store.crowded(ctx)
	if err != nil {
		return fmt.Errorf("sample queues: %w", err)
	}
	queues = append(queues, w.Queues...)
	slices.Sort(queues)
	var errs []error
	for _, q := range slices.Compact(queues) {
		if err := w.sampleQueue(ctx, q, now); err != nil {
			errs = append(errs, fmt.Errorf("sample queue %s: %w", q, err))
		}
	}
	return errors.Join(errs...)
}

// sampleQueue does nothing when another worker was first in this minute.
func (w *Worker) sampleQueue(ctx context.Context, queue string, now time.Time) error {
	all := tiers()
	shortest := all[0]
	last, err := w.store.lastSample(ctx, queue, shortest.width)
	if err != nil || !last.Before(now.Truncate(shortest.length).Add(-shortest.length)) {
		return err
	}
	var errs []error
	for _, t := range all {
		errs = append(errs, w.sampleTier(ctx, queue, t, now))
	}
	return errors.Join(errs...)
}

func (w *Worker) sampleTier(ctx context.Context, queue string, t tier, now time.Time) error {
	last, err := w.store.lastSample(ctx, queue, t.width)
	if err == nil && last.IsZero() {
		last, err = w.store.firstArrival(ctx, queue)
	}
	if err != nil {
		return err
	}
	for at := t.begin(now, last); at.Before(now); at = at.Add(t.length) {
		end := at.Add(t.length)
		if end.After(now) {
			if !t.ongoing {
				break
			}
			end = now
		}
		x, err := w.store.sample(ctx, queue, at, end)
		if err != nil {
			return err
		}
		if err := w.store.saveSample(ctx, queue, t.width, at, x); err != nil {
			return err
		}
	}
	return nil
}

// begin is where the first interval begins that is to be sampled now, when the
// latest sample begins at last, or without one the first job was made then.
func (t tier) begin(now, last time.Time) time.Time {
	from := now.Add(-settled)
	if !last.IsZero() && last.Before(from) {
		from = last
	}
	oldest := now.Add(-min(backfill*t.length, t.keep))
	if from.Before(oldest) {
		from = oldest
	}
	return from.UTC().Truncate(t.length)
}

// ForgetSamples removes samples that are old: minutes after a week, hours and
// days after 90 days.
func (w *Worker) ForgetSamples(ctx context.Context) error {
	now, err := w.store.now(ctx)
	if err != nil {
		return fmt.Errorf("forget samples: %w", err)
	}
	var errs []error
	for _, t := range tiers() {
		// An interval that is still sampled is not old.
		errs = append(errs, w.store.forgetSamples(ctx, t.width, now.Add(-t.keep-t.length)))
	}
	return errors.Join(errs...)
}
