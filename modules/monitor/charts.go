package monitor

import (
	"html/template"
	"math"
	"time"

	"anb/modules/monitor/chart"
	"anb/modules/monitor/drain"
)

// drains reports whether an estimate has an end.
func drains(r drain.Result) bool { return r.Kind == drain.Draining || r.Kind == drain.Empty }

// chartPage is what shows charts.
type chartPage struct {
	Range                 string
	Ranges                []Range
	Throughput, Wait, Run template.HTML
}

// charts draws what a queue, or all, did in a range that ends now.
func (m *Module) charts(lang string, r Range, points []Point) chartPage {
	now := m.deps.Now().UTC()
	spec := func(title string, series ...chart.Series) chart.Spec {
		s := chart.Spec{
			Title: title, From: now.Add(-r.Length).Truncate(r.Step), To: now, Step: r.Step, Series: series,
			Words: chart.Words{
				NoData: pick(lang, "sin datos en este periodo", "no data in this range"), Last: pick(lang, "último", "last"), Max: pick(lang, "máximo", "max"),
				Time: pick(lang, "Desde", "From"), Numbers: pick(lang, "Ver los números", "Show the numbers"),
			},
		}
		if r.Step > time.Minute { // the last interval goes on
			s.Open = now.Truncate(r.Step)
		}
		return s
	}
	counts := func(label, class string, dashed bool, value func(Point) int64) chart.Series {
		s := chart.Series{Label: label, Class: class, Dashed: dashed}
		for _, p := range points {
			s.Points = append(s.Points, chart.Point{At: p.At, Value: float64(value(p))})
		}
		return s
	}
	seconds := func(label, class string, dashed bool, value func(Point) *time.Duration) chart.Series {
		s := chart.Series{Label: label, Class: class, Dashed: dashed}
		for _, p := range points {
			v := math.NaN()
			if d := value(p); d != nil {
				v = d.Seconds()
			}
			s.Points = append(s.Points, chart.Point{At: p.At, Value: v})
		}
		return s
	}
	throughput := spec(pick(lang, "Trabajo por intervalo", "Throughput"),
		counts(pick(lang, "entran", "in"), "arrived", false, func(p Point) int64 { return p.Arrived }),
		counts(pick(lang, "salen", "out"), "done", false, func(p Point) int64 { return p.Done }),
		counts(pick(lang, "fallan", "failed"), "failed", true, func(p Point) int64 { return p.Failed }))
	wait := spec(pick(lang, "Espera", "Wait"),
		seconds("p50", "p50", false, func(p Point) *time.Duration { return p.WaitP50 }),
		seconds("p95", "p95", false, func(p Point) *time.Duration { return p.WaitP95 }),
		seconds(pick(lang, "la más antigua", "oldest"), "oldest", true, func(p Point) *time.Duration { return &p.Oldest }))
	run := spec(pick(lang, "Duración de un intento", "Run of an attempt"),
		seconds("p50", "p50", false, func(p Point) *time.Duration { return p.RunP50 }),
		seconds("p95", "p95", false, func(p Point) *time.Duration { return p.RunP95 }))
	for _, s := range []*chart.Spec{&wait, &run} {
		s.Log = true
		s.Format = func(v float64) string { return axisDuration(lang, v) }
	}
	return chartPage{Range: r.Name, Ranges: Ranges(), Throughput: chart.Lines(throughput), Wait: chart.Lines(wait), Run: chart.Lines(run)}
}
