package drain

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// plays is how often the rest of the queue is played.
	plays = 400
	// single is how many jobs at the queue's end are played one by one at least:
	// there the slots do not share the work evenly. Those before are a sum.
	single    = 64
	maxSingle = 256
	maxSlots  = 1000
)

// play is the rest of a queue.
type play struct {
	rng     *rand.Rand
	recent  sample
	slots   int
	running []Running
	last    []float64 // seconds of the videos that are played one by one
	count   float64   // of the sum's jobs whose length is known
	length  float64   // seconds of those
	squares float64   // of their lengths
	unknown float64   // further jobs of the sum
}

func newPlay(in Input, recent sample, rng *rand.Rand) *play {
	jobs := len(in.Running) + len(in.Waiting) + max(0, in.More.Count) + max(0, in.More.Unknown)
	p := &play{rng: rng, recent: recent, slots: min(max(1, in.Slots), jobs, maxSlots), running: in.Running}
	for len(in.Waiting) > p.singles() {
		p.add(in.Waiting[0].Seconds())
		in.Waiting = in.Waiting[1:]
	}
	for _, l := range in.Waiting {
		p.last = append(p.last, l.Seconds())
	}
	more := in.More
	if mean := more.Length.Seconds() / float64(max(1, more.Count)); more.Count > 0 {
		for len(p.last) < p.singles() && more.Count > 0 {
			p.last = append(p.last, mean)
			more.Count--
		}
		p.addMany(float64(more.Count), mean)
	}
	for len(p.last) < p.singles() && more.Unknown > 0 {
		p.last = append(p.last, 0)
		more.Unknown--
	}
	p.unknown += float64(max(0, more.Unknown))
	return p
}

func (p *play) singles() int { return min(max(single, 2*p.slots), maxSingle) }

func (p *play) add(length float64) { p.addMany(1, length) }

func (p *play) addMany(count, length float64) {
	if length <= 0 || len(p.recent.ratios) == 0 {
		p.unknown += count
		return
	}
	p.count += count
	p.length += count * length
	p.squares += count * length * length
}

// ends are the seconds that each play took.
func (p *play) ends() []float64 {
	ends := make([]float64, plays*single/max(single, p.singles()))
	var drawn sample
	free := make([]float64, 0, p.slots+len(p.running))
	for i := range ends {
		p.recent.again(p.rng, &drawn)
		free = p.remaining(drawn, free[:0])
		longest := free[len(free)-1]
		free = p.spend(drawn, free[max(0, len(free)-p.slots):])
		ends[i] = max(longest, p.schedule(drawn, free))
	}
	return ends
}

// remaining is when each running job ends, sorted, and 0 for slots that idle.
// There may be more than slots: an operator took some away.
func (p *play) remaining(drawn sample, free []float64) []float64 {
	for _, r := range p.running {
		done := min(max(r.Progress, 0), 1)
		if math.IsNaN(done) {
			done = 0
		}
		whole := drawn.runNow(p.rng, r.Length.Seconds())
		if r.Elapsed > 0 && done > 0.05 {
			whole = r.Elapsed.Seconds() / done // it tells best itself
		}
		free = append(free, whole*(1-done))
	}
	for len(free) < p.slots {
		free = append(free, 0)
	}
	slices.Sort(free)
	return free
}

// spend gives the work that is only a sum to the slots: they end about together,
// each in the middle of a job.
func (p *play) spend(drawn sample, free []float64) []float64 {
	if p.count+p.unknown == 0 {
		return free
	}
	ratio, ratioSD := spread(drawn.ratios)
	run, runSD := spread(drawn.runs)
	mean := p.length*ratio + p.unknown*run
	deviation := math.Sqrt(p.squares*ratioSD*ratioSD + p.unknown*runSD*runSD)
	work := max(0, mean+deviation*p.rng.NormFloat64())
	for _, f := range free {
		work += f
	}
	job := mean / (p.count + p.unknown)
	even := max(0, work/float64(len(free))-job/2)
	for i := range free {
		free[i] = max(free[i], even+job*p.rng.Float64())
	}
	return free
}

// schedule gives each of the last jobs to the slot that is free first, and
// returns when all are done.
func (p *play) schedule(drawn sample, free []float64) float64 {
	slices.Sort(free) // a sorted slice is a heap
	for _, l := range p.last {
		free[0] += drawn.run(p.rng, l)
		sink(free)
	}
	return slices.Max(free)
}

// sink restores the heap after its first, the least, has grown.
func sink(heap []float64) {
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < len(heap) && heap[child+1] < heap[child] {
			child++
		}
		if child >= len(heap) || heap[i] <= heap[child] {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
