package chart

import (
	"math"
	"time"
)

// tick is a place on an axis, 0 to 1, and what stands there.
type tick struct {
	at    float64
	label string
}

// valueAxis is the range of values.
type valueAxis struct {
	low, high float64
	log       bool
	ticks     []tick
}

// place is where a value lies, 0 to 1.
func (a valueAxis) place(v float64) float64 {
	if a.log {
		if v < a.low {
			return 0
		}
		low := math.Log10(a.low)
		return min(1, (math.Log10(v)-low)/(math.Log10(a.high)-low))
	}
	return (v/2 - a.low/2) / (a.high/2 - a.low/2) // halves: the whole may be beyond the largest number
}

func (s Spec) valueAxis() valueAxis {
	low, high, least := 0.0, 0.0, math.Inf(1)
	for _, x := range s.Series {
		for _, p := range x.Points {
			if p.missing() {
				continue
			}
			low, high = min(low, p.Value), max(high, p.Value)
			if p.Value > 0 {
				least = min(least, p.Value)
			}
		}
	}
	if s.Log {
		return s.powers(least, high)
	}
	return s.linear(low, high)
}

// linear has ticks at 1, 2 or 5 times a power of ten, about four of them.
func (s Spec) linear(low, high float64) valueAxis {
	if high-low < 1e-300 { // nothing that could be halved
		high = low + 1
	}
	rough := high/4 - low/4
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, f := range []float64{5, 2, 1} {
		if f*power >= rough {
			step = f * power
		}
	}
	a := valueAxis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step}
	if math.IsInf(a.high, 0) || math.IsInf(a.low, 0) {
		return valueAxis{low: low, high: high} // the next round number is none
	}
	for i := math.Floor(low / step); i <= math.Ceil(high/step); i++ {
		v := round(i * step)
		a.ticks = append(a.ticks, tick{a.place(v), s.Format(v)})
	}
	return a
}

// round drops what binary numbers add to 3 × 0.1.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 12-math.Ceil(math.Log10(math.Abs(v))))
	if r := math.Round(v*scale) / scale; !math.IsNaN(r) && !math.IsInf(r, 0) {
		return r
	}
	return v
}

// powers has ticks at powers of ten, six at most.
func (s Spec) powers(least, high float64) valueAxis {
	if math.IsInf(least, 0) {
		least, high = 1, 1
	}
	from, to := math.Floor(math.Log10(least)), math.Ceil(math.Log10(high))
	from = min(max(from, -300), 307) // of what a number can be
	to = min(max(to, from+1), 308)
	a := valueAxis{low: math.Pow(10, from), high: math.Pow(10, to), log: true}
	for e, step := from, math.Ceil((to-from)/5); e <= to; e += step {
		a.ticks = append(a.ticks, tick{(e - from) / (to - from), s.Format(math.Pow(10, e))})
	}
	return a
}

// timeAxis is the range of times.
type timeAxis struct {
	from  time.Time
	span  time.Duration
	ticks []tick
}

func (a timeAxis) place(t time.Time) float64 {
	if a.span <= 0 {
		return 0.5
	}
	return float64(t.Sub(a.from)) / float64(a.span)
}

const day = 24 * time.Hour

// rhythms are the distances that ticks of time may have.
func rhythms() []time.Duration {
	return []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
		30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 15 * day, 30 * day, 90 * day, 365 * day,
	}
}

// timeAxis has up to seven ticks at times that are round where the reader is.
func (s Spec) timeAxis() timeAxis {
	a := timeAxis{from: s.From, span: s.To.Sub(s.From)}
	step := a.span / 6
	for _, r := range rhythms() {
		if r >= step {
			step = r
			break
		}
	}
	if a.span <= 0 {
		return a
	}
	midnight := s.From.In(s.Location)
	y, m, d := midnight.Date()
	last := s.From.Add(-1)
	first := 0
	if step < day {
		first = max(0, int(midnight.Sub(time.Date(y, m, d, 0, 0, 0, 0, s.Location))/step)-int(2*time.Hour/step)-1)
	}
	for i := first; ; i++ {
		// On the clock on the wall: days with a change of time have 23 or 25 hours.
		t := time.Date(y, m, d+i*int(step/day), 0, 0, i*int(step%day/time.Second), 0, s.Location)
		if t.After(s.To) || len(a.ticks) == 10 {
			return a
		}
		if t.After(last) {
			a.ticks = append(a.ticks, tick{a.place(t), s.clock(t, step)})
			last = t
		}
	}
}

// clock is a tick's label: a time of day, a day at midnight, a year.
func (s Spec) clock(t time.Time, step time.Duration) string {
	switch {
	case step >= 365*day:
		return t.Format("2006")
	case step >= day, t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0:
		return t.Format("02/01")
	case step < time.Minute:
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}
