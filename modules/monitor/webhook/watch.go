package webhook

import (
	"cmp"
	"slices"
	"time"
)

// Watch remembers what is wrong, so that each thing is told when it begins, once
// in a while, and when it is over. It is not safe for concurrent use.
type Watch struct {
	rules  Rules
	before map[string]Queue
	open   map[subject]*episode
}

type subject struct {
	kind Kind
	name string
}

// episode is a time in which something is wrong.
type episode struct {
	since  time.Time
	told   time.Time // zero: not yet
	well   time.Time // since when it is not wrong any more; zero: it is
	values map[string]float64
}

// NewWatch makes a Watch that has seen nothing yet. It fails when the rules do
// not make sense.
func NewWatch(r Rules) (*Watch, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return &Watch{rules: r, open: map[subject]*episode{}}, nil
}

// Evaluate returns what is to be told now, ordered by kind and subject. What the
// snapshot does not name any more is over; unless it is blind: then all else
// stays as it was.
func (w *Watch) Evaluate(now time.Time, s Snapshot) []Alert {
	wrong := map[subject]finding{}
	if s.Blind {
		s.Queues, s.Disks = nil, nil
	}
	for _, f := range w.rules.findings(s, w.before) {
		if f.wrong {
			wrong[subject{f.kind, f.subject}] = f
		}
	}
	if !s.Blind {
		w.before = map[string]Queue{}
		for _, q := range s.Queues {
			w.before[q.Name] = q
		}
	}
	var out []Alert
	for k, f := range wrong {
		e := w.open[k]
		if e == nil {
			e = &episode{since: now}
			w.open[k] = e
		}
		e.well, e.values = time.Time{}, f.values
		switch {
		case e.told.IsZero() && now.Sub(e.since) >= f.hold:
			out = append(out, e.tell(k, Begun, now))
		case !e.told.IsZero() && now.Sub(e.told) >= w.rules.Remind:
			out = append(out, e.tell(k, Lasts, now))
		}
	}
	if !s.Blind {
		out = append(out, w.over(now, wrong)...)
	}
	slices.SortFunc(out, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

// over ends the episodes in which all has been well for long enough.
func (w *Watch) over(now time.Time, wrong map[subject]finding) []Alert {
	var out []Alert
	for k, e := range w.open {
		if _, still := wrong[k]; still {
			continue
		}
		if e.well.IsZero() {
			e.well = now
		}
		switch {
		case e.told.IsZero(): // it never held for long enough
			delete(w.open, k)
		case now.Sub(e.well) >= w.rules.Calm:
			out = append(out, e.tell(k, Resolved, now))
			delete(w.open, k)
		}
	}
	return out
}

func (e *episode) tell(k subject, p Phase, now time.Time) Alert {
	e.told = now
	return Alert{Kind: k.kind, Phase: p, Subject: k.name, Since: e.since, At: now, Values: e.values}
}
