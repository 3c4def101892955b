package drain

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// steady are recent jobs that all took half their video's length.
func steady() []Run {
	out := make([]Run, 20)
	for i := range out {
		out[i] = Run{Run: time.Duration(10+i) * time.Second, Length: time.Duration(20+2*i) * time.Second}
	}
	return out
}

func lengths(n int, each time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = each
	}
	return out
}

func TestEstimate_SaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	two := lengths(2, time.Minute)
	runs := []Running{{Progress: 0.5, Length: time.Minute}}
	tests := map[string]struct {
		in   Input
		want Result
	}{
		"nothing to do":                  {Input{Recent: steady(), Paused: true, Arrived2: 5, Arrived15: 5}, Result{Kind: Empty}},
		"paused":                         {Input{Waiting: two, Recent: steady(), Paused: true}, Result{Kind: Paused}},
		"nobody takes them":              {Input{More: Bulk{Unknown: 3}, Recent: steady(), Arrived15: 30, Arrived2: 3}, Result{Kind: NoConsumers}},
		"a negative number of slots":     {Input{Waiting: two, Recent: steady(), Slots: -1}, Result{Kind: NoConsumers}},
		"more arrive than are done":      {Input{Waiting: two, Slots: 2, Arrived15: 60, Done15: 30, Arrived2: 9, Done2: 4}, Result{Kind: Growing, GrowthPerMinute: 2}},
		"as many arrive as are done":     {Input{Waiting: two, Recent: steady(), Slots: 2, Arrived15: 30, Done15: 30, Arrived2: 4, Done2: 4}, Result{Kind: Growing}},
		"nothing has ended":              {Input{Waiting: two, Running: runs, Slots: 2}, Result{Kind: Unknown}},
		"what ended took no time":        {Input{Waiting: two, Slots: 2, Recent: []Run{{0, time.Minute}, {-1, time.Minute}}}, Result{Kind: Unknown}},
		"the last one runs, none before": {Input{Running: runs, Slots: 2}, Result{Kind: Unknown}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, Estimate(tt.in, 1))
		})
	}
}

func TestEstimate_IsNotMisledByArrivals(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]Input{
		"a burst that has ended":        {Arrived15: 500, Done15: 20, Arrived2: 0, Done2: 3},
		"a burst just before a silence": {Arrived15: 500, Done15: 20, Arrived2: 0, Done2: 0},
		"a burst that ebbs":             {Arrived15: 500, Done15: 20, Arrived2: 1, Done2: 3},
		"a moment's rush":               {Arrived15: 20, Done15: 40, Arrived2: 9, Done2: 3},
	} {
		in.Waiting, in.Slots, in.Recent = lengths(4, time.Minute), 2, steady()
		require.Equal(t, Draining, Estimate(in, 1).Kind, name)
	}
	idle := Input{Running: []Running{{Length: time.Minute}}, Slots: 2, Recent: steady(), Arrived15: 20, Done15: 19, Arrived2: 2, Done2: 2}
	require.Equal(t, Draining, Estimate(idle, 1).Kind, "nothing waits, so nothing grows")
}

func TestEstimate_IsExactWhereNothingVaries(t *testing.T) {
	t.Parallel()
	minute := func(progress float64) Running { return Running{Progress: progress, Length: time.Minute} }
	tests := map[string]struct {
		in   Input
		want time.Duration
	}{
		"one after the other":           {Input{Waiting: lengths(10, time.Minute), Slots: 1}, 300 * time.Second},
		"an even share":                 {Input{Waiting: lengths(10, time.Minute), Slots: 2}, 150 * time.Second},
		"a share that is not even":      {Input{Waiting: lengths(10, time.Minute), Slots: 4}, 90 * time.Second},
		"fewer jobs than slots":         {Input{Waiting: lengths(3, time.Minute), Slots: 8}, 30 * time.Second},
		"the longest of few":            {Input{Waiting: []time.Duration{time.Minute, time.Hour}, Slots: 8}, 30 * time.Minute},
		"one that runs":                 {Input{Running: []Running{minute(0.5)}, Slots: 4}, 15 * time.Second},
		"one that runs while paused":    {Input{Running: []Running{minute(0.5)}, Paused: true}, 15 * time.Second},
		"one that is nearly done":       {Input{Running: []Running{minute(1.5)}, Slots: 4}, time.Second},
		"one without progress":          {Input{Running: []Running{minute(math.NaN()), minute(-1)}, Slots: 4}, 30 * time.Second},
		"one that is slower than usual": {Input{Running: []Running{{Progress: 0.5, Length: time.Minute, Elapsed: time.Hour}}, Slots: 4}, time.Hour},
		"a long one beside short ones":  {Input{Waiting: lengths(4, time.Minute), Running: []Running{{Length: time.Hour}}, Slots: 2}, 30 * time.Minute},
		"one that waits for a slot":     {Input{Waiting: lengths(1, time.Minute), Running: []Running{minute(0.5), minute(0)}, Slots: 2}, 45 * time.Second},
		"more running than slots":       {Input{Waiting: lengths(1, time.Minute), Running: []Running{minute(0.5), minute(0)}, Slots: 1}, 60 * time.Second},
		"a few in a sum":                {Input{More: Bulk{Count: 10, Length: 10 * time.Minute}, Slots: 4}, 90 * time.Second},
		"a negative sum":                {Input{More: Bulk{Count: -9, Unknown: -9}, Waiting: lengths(2, time.Minute), Slots: 1}, 60 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.in.Recent = steady()
			got := Estimate(tt.in, 1)
			require.Equal(t, Draining, got.Kind)
			require.InDelta(t, tt.want.Seconds(), got.P50.Seconds(), 0.001)
			require.InDelta(t, tt.want.Seconds(), got.P90.Seconds(), 0.001)
		})
	}
}

func TestEstimate_FallsBackToTheTimeOfJobs(t *testing.T) {
	t.Parallel()
	minutes := make([]Run, 9)
	for i := range minutes {
		minutes[i] = Run{Run: time.Minute}
	}
	for name, in := range map[string]Input{
		"videos of unknown length":        {Waiting: lengths(6, 0), Recent: append(minutes, Run{Run: time.Minute, Length: time.Hour})},
		"recent videos of unknown length": {Waiting: lengths(6, time.Hour), Recent: minutes},
		"a sum of unknown ones":           {More: Bulk{Unknown: 6}, Recent: minutes},
		"lengths below zero":              {Waiting: lengths(6, -1), Recent: minutes},
	} {
		in.Slots = 2
		require.Equal(t, Result{Kind: Draining, P50: 3 * time.Minute, P90: 3 * time.Minute}, Estimate(in, 1), name)
	}
}

func TestEstimate_OfManyIsTheirSum(t *testing.T) {
	t.Parallel()
	want := (100_000 * 30 * time.Second / 8).Seconds()
	for name, in := range map[string]Input{
		"each":    {Waiting: lengths(100_000, time.Minute)},
		"summed":  {More: Bulk{Count: 100_000, Length: 100_000 * time.Minute}},
		"half":    {Waiting: lengths(50_000, time.Minute), More: Bulk{Count: 50_000, Length: 50_000 * time.Minute}},
		"unknown": {More: Bulk{Count: 50_000, Length: 50_000 * time.Minute, Unknown: 50_000}, Recent: []Run{{30 * time.Second, time.Minute}}},
	} {
		in.Slots = 8
		if in.Recent == nil {
			in.Recent = steady()
		}
		got := Estimate(in, 1)
		require.InEpsilon(t, want, got.P50.Seconds(), 0.01, name)
		require.InEpsilon(t, want, got.P90.Seconds(), 0.01, name)
	}
}

func TestEstimate_IsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	in := Input{Waiting: lengths(30, time.Minute), Slots: 2, Recent: []Run{{time.Minute, time.Minute}, {5 * time.Minute, time.Minute}}}
	require.Equal(t, Estimate(in, 7), Estimate(in, 7))
	require.NotEqual(t, Estimate(in, 7), Estimate(in, 8))
	require.Less(t, Estimate(in, 7).P50, Estimate(in, 7).P90)
	require.Len(t, in.Waiting, 30)
}

func TestEstimate_EndsForAnyNumbers(t *testing.T) {
	t.Parallel()
	long := time.Duration(math.MaxInt64)
	got := Estimate(Input{
		Waiting: lengths(1000, long), More: Bulk{Count: math.MaxInt32, Length: long, Unknown: math.MaxInt32},
		Running: []Running{{Length: long}}, Slots: math.MaxInt, Recent: []Run{{long, 1}, {1, long}},
	}, 1)
	require.Equal(t, Draining, got.Kind)
	require.Positive(t, got.P50)
	require.LessOrEqual(t, got.P50, got.P90)
}
