package drain

import (
	"math"
	"math/rand/v2"
)

// sample is what recent jobs took.
type sample struct {
	ratios []float64 // run by length, of those whose length is known
	runs   []float64 // seconds
}

func newSample(recent []Run) sample {
	var s sample
	for _, r := range recent[:min(len(recent), maxRecent)] {
		if r.Run <= 0 {
			continue
		}
		s.runs = append(s.runs, r.Run.Seconds())
		if r.Length > 0 {
			s.ratios = append(s.ratios, r.Run.Seconds()/r.Length.Seconds())
		}
	}
	return s
}

// again fills to with as many draws from s, with replacement: the recent jobs
// are themselves only one draw of what jobs take.
func (s sample) again(rng *rand.Rand, to *sample) {
	to.ratios, to.runs = redraw(rng, s.ratios, to.ratios[:0]), redraw(rng, s.runs, to.runs[:0])
}

func redraw(rng *rand.Rand, from, to []float64) []float64 {
	for range from {
		to = append(to, pick(rng, from))
	}
	return to
}

func pick(rng *rand.Rand, from []float64) float64 { return from[rng.IntN(len(from))] }

// run draws what a video of that many seconds takes.
func (s sample) run(rng *rand.Rand, length float64) float64 {
	if length > 0 && len(s.ratios) > 0 {
		return length * pick(rng, s.ratios)
	}
	return pick(rng, s.runs)
}

// runNow draws what a video takes that is found running: jobs that take long
// are found so more often, as often as they take longer.
func (s sample) runNow(rng *rand.Rand, length float64) float64 {
	from, unit := s.runs, 1.0
	if length > 0 && len(s.ratios) > 0 {
		from, unit = s.ratios, length
	}
	at := rng.Float64() * total(from)
	for _, v := range from {
		if at -= v; at < 0 {
			return v * unit
		}
	}
	return from[len(from)-1] * unit
}

func total(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

// spread is the mean and the standard deviation.
func spread(values []float64) (mean, deviation float64) {
	if len(values) == 0 {
		return 0, 0
	}
	mean = total(values) / float64(len(values))
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)))
}
