package chart

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func labels(ticks []tick) []string {
	var out []string
	for _, t := range ticks {
		out = append(out, t.label)
	}
	return out
}

func TestTimeAxis_HasRoundTicksWhereTheReaderIs(t *testing.T) {
	t.Parallel()
	load := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		require.NoError(t, err)
		return l
	}
	tests := map[string]struct {
		from time.Time
		span time.Duration
		in   *time.Location
		want []string
	}{
		"an instant":             {noon(), 0, time.UTC, nil},
		"backwards":              {noon(), -time.Hour, time.UTC, nil},
		"half a minute":          {noon(), 30 * time.Second, time.UTC, []string{"12:00:00", "12:00:05", "12:00:10", "12:00:15", "12:00:20", "12:00:25", "12:00:30"}},
		"an hour":                {noon().Add(3 * time.Minute), time.Hour, time.UTC, []string{"12:10", "12:20", "12:30", "12:40", "12:50", "13:00"}},
		"a day":                  {noon().Add(time.Minute), day, time.UTC, []string{"16:00", "20:00", "02/03", "04:00", "08:00", "12:00"}},
		"a day in India":         {noon(), day, load("Asia/Kolkata"), []string{"20:00", "02/03", "04:00", "08:00", "12:00", "16:00"}},
		"a week":                 {noon(), 7 * day, time.UTC, []string{"03/03", "05/03", "07/03"}},
		"90 days":                {noon(), 90 * day, load("America/Bogota"), []string{"16/03", "31/03", "15/04", "30/04", "15/05", "30/05"}},
		"ten years":              {noon(), 3650 * day, time.UTC, nil},
		"the night of 23 hours":  {time.Date(2026, 3, 8, 5, 0, 0, 0, time.UTC), 6 * time.Hour, load("America/New_York"), nil},
		"the night of 25 hours":  {time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC), 6 * time.Hour, load("America/New_York"), nil},
		"where midnight is gone": {time.Date(2026, 9, 6, 3, 0, 0, 0, time.UTC), 6 * time.Hour, load("America/Santiago"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Spec{From: tt.from, To: tt.from.Add(tt.span), Location: tt.in}
			a := s.timeAxis()
			if tt.want != nil || tt.span <= 0 {
				require.Equal(t, tt.want, labels(a.ticks))
				return
			}
			require.GreaterOrEqual(t, len(a.ticks), 4)
			require.LessOrEqual(t, len(a.ticks), 10)
			before := -1.0
			for _, x := range a.ticks {
				require.Greater(t, x.at, before)
				require.LessOrEqual(t, x.at, 1.0)
				before = x.at
			}
		})
	}
}

func TestValueAxis_HasRoundTicks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		log    bool
		want   []string
	}{
		{[]float64{0}, false, []string{"0", "0.5", "1"}},
		{[]float64{9}, false, []string{"0", "5", "10"}},
		{[]float64{0.7}, false, []string{"0", "0.2", "0.4", "0.6", "0.8"}},
		{[]float64{-3, 12}, false, []string{"-5", "0", "5", "10", "15"}},
		{[]float64{1234567}, false, []string{"0", "500000", "1000000", "1500000"}},
		{[]float64{0, -4}, true, []string{"1", "10"}},
		{[]float64{0.5, 900}, true, []string{"0.1", "1", "10", "100", "1000"}},
		{[]float64{10, 10}, true, []string{"10", "100"}},
		{[]float64{1, 1e12}, true, []string{"1", "1000", "1000000", "1000000000", "1000000000000"}},
	} {
		s := Spec{Log: tt.log, Series: []Series{{Points: every(tt.values...)}}}
		s.From, s.To = noon(), noon().Add(time.Hour)
		a := s.prepared().valueAxis()
		require.Equal(t, tt.want, labels(a.ticks), "%v", tt.values)
		for _, v := range tt.values {
			require.InDelta(t, 0.5, a.place(v), 0.5, "%v", tt.values)
		}
	}
	require.InDelta(t, 0.3, round(0.1+0.2), 0)
	require.InDelta(t, math.SmallestNonzeroFloat64, round(math.SmallestNonzeroFloat64), 0)
}
