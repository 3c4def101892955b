package monitor

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/httpserver"
)

// metric is something that a series tells of each interval.
type metric struct {
	name, unit string
	value      func(Point) *float64
}

// seriesMetrics are all that series know, the default first.
func seriesMetrics() []metric {
	count := func(name string, of func(Point) int64) metric {
		return metric{name, "jobs", func(p Point) *float64 {
			n := float64(of(p))
			return &n
		}}
	}
	span := func(name string, of func(Point) *time.Duration) metric {
		return metric{name, "seconds", func(p Point) *float64 {
			d := of(p)
			if d == nil {
				return nil
			}
			s := d.Seconds()
			return &s
		}}
	}
	return []metric{
		count("waiting", func(p Point) int64 { return p.Waiting }), count("running", func(p Point) int64 { return p.Running }),
		count("arrived", func(p Point) int64 { return p.Arrived }), count("started", func(p Point) int64 { return p.Started }),
		count("done", func(p Point) int64 { return p.Done }), count("failed", func(p Point) int64 { return p.Failed }),
		span("oldest", func(p Point) *time.Duration { return &p.Oldest }),
		span("wait_p50", func(p Point) *time.Duration { return p.WaitP50 }), span("wait_p95", func(p Point) *time.Duration { return p.WaitP95 }),
		span("run_p50", func(p Point) *time.Duration { return p.RunP50 }), span("run_p95", func(p Point) *time.Duration { return p.RunP95 }),
	}
}

type apiPoint struct {
	At    *time.Time `json:"at"`
	Value *float64   `json:"value"`
}

type apiSeriesAnswer struct {
	Metric      string     `json:"metric"`
	Unit        string     `json:"unit"`
	Queue       string     `json:"queue"`
	Range       string     `json:"range"`
	StepSeconds float64    `json:"step_seconds"`
	Points      []apiPoint `json:"points"`
}

// apiSeries handles GET /api/v1/series.
func (m *Module) apiSeries(c echo.Context) error {
	q := c.QueryParams()
	all := seriesMetrics()
	names := list(all, func(x metric) string { return x.name })
	name, err := httpserver.One(q, "metric", names...)
	if err != nil {
		return err
	}
	span, err := httpserver.One(q, "range", list(Ranges(), func(r Range) string { return r.Name })...)
	if err != nil {
		return err
	}
	queue, err := httpserver.One(q, "queue")
	if err != nil {
		return err
	}
	r := FindRange(span)
	points, err := m.store.series(c.Request().Context(), queue, r, m.deps.Now())
	if err != nil {
		return err
	}
	a := apiSeriesAnswer{Metric: name, Queue: queue, Range: span, StepSeconds: r.Step.Seconds()}
	for _, x := range all {
		if x.name == name {
			a.Unit = x.unit
			a.Points = list(points, func(p Point) apiPoint { return apiPoint{when(p.At), x.value(p)} })
		}
	}
	return c.JSON(http.StatusOK, a)
}
