package monitor

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"anb/platform/database"
)

// flowerMetrics are Flower's six names for what a snapshot says, so that its
// Grafana dashboard goes on. Numbers that nobody counts are left out: of
// flower_events_total all types but those two that workers count for
// themselves, since they started. Series of workers that are no more end.
type flowerMetrics struct {
	runtime *prometheus.HistogramVec

	mu   sync.Mutex
	seen map[ranAt]bool  // nil until the first look
	who  map[string]bool // workers in runtime
}

// ranAt tells one done attempt from another.
type ranAt struct {
	worker string
	began  int64
	ended  int64
}

var (
	descFlowerEvents   = gauge("flower_events_total", "Attempts that ended well or badly, by worker.", "worker", "type", "task")
	descFlowerPrefetch = gauge("flower_task_prefetch_time_seconds", "How long a job waits at its worker: not at all, it is claimed to be started.", "worker", "task")
	descFlowerHeld     = gauge("flower_worker_prefetched_tasks", "Jobs that wait at a worker: none, they wait in their queue.", "worker", "task")
	descFlowerOnline   = gauge("flower_worker_online", "1 of a worker that reports, 0 of one that fell silent.", "worker")
	descFlowerBusy     = gauge("flower_worker_number_of_currently_executing_tasks", "Jobs that a worker runs.", "worker")
)

func newFlowerMetrics() *flowerMetrics {
	return &flowerMetrics{who: map[string]bool{}, runtime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "flower_task_runtime_seconds", Help: "How long attempts took that were done since this dashboard started.",
		Buckets: []float64{.1, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200},
	}, []string{"worker", "task"})}
}

// see counts those of the latest done attempts that it has not counted. Those
// that were there at the start are another's: a counter begins at zero. Of more
// than recentRuns within slowEvery the rest is not seen.
func (f *flowerMetrics) see(runs []run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[ranAt]bool, len(runs))
	for _, r := range runs {
		key := ranAt{r.Worker, r.StartedAt.UnixMicro(), r.FinishedAt.UnixMicro()}
		next[key] = true
		if f.seen != nil && !f.seen[key] {
			f.who[label(r.Worker)] = true
			f.runtime.WithLabelValues(label(r.Worker), kind).Observe(took(r.StartedAt, r.FinishedAt))
		}
	}
	f.seen = next
}

func took(began, ended database.Time) float64 {
	return max(0, ended.Sub(began.Time).Seconds())
}

// label is text as Prometheus takes it.
func label(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func (f *flowerMetrics) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descFlowerEvents, descFlowerPrefetch, descFlowerHeld, descFlowerOnline, descFlowerBusy} {
		ch <- d
	}
	f.runtime.Describe(ch)
}

// collect tells what s says of workers.
func (f *flowerMetrics) collect(s *Snapshot, ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, of prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, of, v, labels...)
	}
	f.forget(s)
	known := map[string]bool{}
	for _, w := range s.Workers {
		shown, online := flowerShown(w, s.At)
		id := label(w.ID)
		if !shown || known[id] {
			continue
		}
		known[id] = true
		up := 0.0
		if online {
			up = 1
		}
		put(descFlowerOnline, prometheus.GaugeValue, up, id)
		put(descFlowerEvents, prometheus.CounterValue, float64(w.Done), id, "task-succeeded", kind)
		put(descFlowerEvents, prometheus.CounterValue, float64(w.Failed), id, "task-failed", kind)
		put(descFlowerBusy, prometheus.GaugeValue, float64(w.Busy()), id)
		put(descFlowerPrefetch, prometheus.GaugeValue, 0, id, kind)
		put(descFlowerHeld, prometheus.GaugeValue, 0, id, kind)
	}
	f.runtime.Collect(ch)
}

// forget ends the series of workers that nobody lists any more.
func (f *flowerMetrics) forget(s *Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.who {
		if !slices.ContainsFunc(s.Workers, func(w Worker) bool { return label(w.ID) == id }) {
			f.runtime.DeleteLabelValues(id, kind)
			delete(f.who, id)
		}
	}
}
