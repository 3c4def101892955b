package drain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// job is a job of a simulated queue; times are seconds.
type job struct{ length, run, start, end float64 }

// simulate lets slots work through n jobs whose ratios ratio draws. Jobs before
// time 0 have ended already.
func simulate(rng *rand.Rand, ratio func(*rand.Rand) float64, slots, n int) []job {
	draw := func() job {
		length := 20 + 40*rng.Float64()
		return job{length: length, run: length * ratio(rng)}
	}
	var jobs []job
	for i := range 40 {
		j := draw()
		j.start, j.end = -j.run-float64(i)-1, -float64(i)-1
		jobs = append(jobs, j)
	}
	free := make([]float64, slots)
	for range n {
		j := draw()
		i := slices.Index(free, slices.Min(free))
		j.start, j.end = free[i], free[i]+j.run
		free[i] = j.end
		jobs = append(jobs, j)
	}
	return jobs
}

// at is what a dashboard knows at a time; clocked, if it knows since when jobs run.
func at(jobs []job, now float64, slots int, clocked bool) Input {
	in := Input{Slots: slots}
	done := slices.DeleteFunc(slices.Clone(jobs), func(j job) bool { return j.end > now })
	slices.SortFunc(done, func(a, b job) int { return int(math.Copysign(1, b.end-a.end)) })
	for _, j := range done {
		in.Recent = append(in.Recent, Run{seconds(j.run), seconds(j.length)})
	}
	for _, j := range jobs {
		switch {
		case j.start > now:
			in.Waiting = append(in.Waiting, seconds(j.length))
		case j.end > now:
			r := Running{Progress: (now - j.start) / j.run, Length: seconds(j.length)}
			if clocked {
				r.Elapsed = seconds(now - j.start)
			}
			in.Running = append(in.Running, r)
		}
	}
	return in
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// distributions are of ratios.
func distributions() map[string]func(*rand.Rand) float64 {
	return map[string]func(*rand.Rand) float64{
		"constant":        func(*rand.Rand) float64 { return 0.5 },
		"lognormal":       func(r *rand.Rand) float64 { return 0.5 * math.Exp(0.5*r.NormFloat64()) },
		"broad lognormal": func(r *rand.Rand) float64 { return 0.5 * math.Exp(r.NormFloat64()) },
		"mostly short": func(r *rand.Rand) float64 {
			return []float64{0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 4}[r.IntN(10)]
		},
		"short or long":    func(r *rand.Rand) float64 { return []float64{0.3, 3}[r.IntN(2)] },
		"evenly different": func(r *rand.Rand) float64 { return 0.1 + r.Float64() },
	}
}

// score is how many estimates held.
type score struct{ all, within, under int }

func (s *score) add(o score) {
	s.all, s.within, s.under = s.all+o.all, s.within+o.within, s.under+o.under
}

// try estimates at six moments of one simulated queue.
func try(t *testing.T, jobs []job, slots int, seed uint64, clocked bool) score {
	t.Helper()
	const moments = 6
	var s score
	end := slices.MaxFunc(jobs, func(a, b job) int { return int(math.Copysign(1, a.end-b.end)) }).end
	for m := range moments {
		now := end * (float64(m) + 0.5) / moments
		got := Estimate(at(jobs, now, slots, clocked), seed)
		require.Equal(t, Draining, got.Kind)
		left := seconds(end - now)
		s.all++
		if left >= got.P50/2 && left <= got.P90*3/2 {
			s.within++
		}
		if left <= got.P90*21/20 {
			s.under++
		}
	}
	return s
}

func TestEstimate_HoldsInSimulatedQueues(t *testing.T) {
	t.Parallel()
	const seeds = 1
	for name, ratio := range distributions() {
		for _, clocked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s clocked=%v", name, clocked), func(t *testing.T) {
				t.Parallel()
				var all score
				step := 1
				if !clocked {
					step = 3
				}
				for slots := 1; slots <= 8; slots += step {
					var s score
					for seed := range uint64(seeds) {
						jobs := simulate(rand.New(rand.NewPCG(seed, uint64(slots))), ratio, slots, 200)
						s.add(try(t, jobs, slots, seed, clocked))
					}
					require.GreaterOrEqual(t, s.within, s.all*8/10, "%d slots", slots)
					all.add(s)
				}
				t.Logf("within the band %d %%, at most P90 %d %%", 100*all.within/all.all, 100*all.under/all.all)
				require.GreaterOrEqual(t, all.within, all.all*9/10)
				require.GreaterOrEqual(t, all.under, all.all*7/10, "P90 promises more than it keeps")
			})
		}
	}
}

func BenchmarkEstimate(b *testing.B) {
	recent := simulate(rand.New(rand.NewPCG(1, 1)), distributions()["lognormal"], 1, 100)
	base := at(recent, math.Inf(1), 8, false)
	for _, n := range []int{10, 64, 1000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			in := base
			in.Waiting = lengths(n, time.Minute)
			for b.Loop() {
				Estimate(in, 1)
			}
		})
	}
}
