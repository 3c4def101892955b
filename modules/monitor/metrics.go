package monitor

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// exporter tells Prometheus what the latest snapshot says. The numbers that each
// worker counts for itself are the workers' own.
type exporter struct {
	m       *Module
	queries *prometheus.HistogramVec
	flower  *flowerMetrics // nil: not asked for
}

func newExporter(m *Module) *exporter {
	x := &exporter{m: m, queries: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "anb_monitor_query_seconds", Help: "Time that reading the database took.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"query"})}
	if m.deps.Config.FlowerMetrics {
		x.flower = newFlowerMetrics()
	}
	return x
}

func (x *exporter) query(name string, took time.Duration) {
	x.queries.WithLabelValues(name).Observe(took.Seconds())
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The metrics of a snapshot. Queues that are known have all of them, with zeros.
var (
	descJobs      = gauge("anb_queue_jobs", "Jobs of a queue by state.", "queue", "state")
	descOldest    = gauge("anb_queue_oldest_age_seconds", "How long the first of the due jobs has waited.", "queue")
	descDrain     = gauge("anb_queue_drain_seconds", "Until the queue is empty, the middle estimate; absent while it grows or nothing is known.", "queue")
	descPaused    = gauge("anb_queue_paused", "1 while an operator keeps workers from the queue.", "queue")
	descConsumers = gauge("anb_queue_consumers", "Living workers that take from the queue.", "queue")
	descStuck     = gauge("anb_jobs_stuck", "Running jobs without a lease or without progress.", "queue")
	descMessages  = gauge("anb_queue_unreadable_messages_total", "Messages on the bus that were set aside because nobody could read them.", "queue")
	descWorkers   = gauge("anb_workers", "Workers of the last day by state.", "state")
	descSlots     = gauge("anb_worker_slots", "Slots of a living worker.", "worker", "state")
	descCPU       = gauge("anb_worker_cpu_ratio", "Cores in use by a living worker and its encoders.", "worker")
	descRSS       = gauge("anb_worker_rss_bytes", "Memory of a living worker and its encoders.", "worker")
	descFree      = gauge("anb_worker_scratch_free_bytes", "Free room in a living worker's scratch folder.", "worker")
	descClients   = gauge("anb_monitor_sse_clients", "Pages that are kept current.")
	descAge       = gauge("anb_monitor_snapshot_age_seconds", "How old what the pages show is.")
	descProblems  = gauge("anb_monitor_problems", "What the dashboard warns of, by kind.", "kind")
)

// Describe implements prometheus.Collector.
func (x *exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descJobs, descOldest, descDrain, descPaused, descConsumers, descStuck, descMessages, descWorkers, descSlots, descCPU, descRSS, descFree,
		descClients, descAge, descProblems,
	} {
		ch <- d
	}
	x.queries.Describe(ch)
	if x.flower != nil {
		x.flower.describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (x *exporter) Collect(ch chan<- prometheus.Metric) {
	s := x.m.collector.snapshot()
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		for i := range labels {
			labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, q := range s.Queues {
		collectQueue(q, put)
	}
	states := map[WorkerState]float64{Online: 0, Draining: 0, Late: 0, Crashed: 0, Exited: 0}
	for _, w := range s.Workers {
		states[w.State]++
		if !w.Living() {
			continue
		}
		put(descSlots, float64(w.Busy()), w.ID, "busy")
		put(descSlots, float64(w.Free()), w.ID, "free")
		put(descCPU, w.CPU, w.ID)
		put(descRSS, float64(w.RSS), w.ID)
		if w.ScratchFree >= 0 {
			put(descFree, float64(w.ScratchFree), w.ID)
		}
	}
	for state, n := range states {
		put(descWorkers, n, string(state))
	}
	problems := map[ProblemKind]float64{NoDatabase: 0, NoBroker: 0, NoWorkers: 0, Stalled: 0, JobsStuck: 0, LateWorker: 0, DiskLow: 0, Paused: 0}
	for _, p := range s.Problems {
		problems[p.Kind]++
	}
	for kind, n := range problems {
		put(descProblems, n, string(kind))
	}
	put(descClients, float64(x.m.collector.clients()))
	if !s.At.IsZero() {
		put(descAge, max(0, x.m.deps.Now().Sub(s.At).Seconds()))
	}
	x.queries.Collect(ch)
	if x.flower != nil {
		x.flower.collect(s, ch)
	}
}

func collectQueue(q Queue, put func(*prometheus.Desc, float64, ...string)) {
	for state, n := range map[State]int64{Waiting: q.Waiting, Scheduled: q.Scheduled, Running: q.Running, Stuck: q.Stuck, Dead: q.Dead} {
		put(descJobs, float64(n), q.Name, string(state))
	}
	put(descOldest, q.Oldest.Seconds(), q.Name)
	if drains(q.Drain) {
		put(descDrain, q.Drain.P50.Seconds(), q.Name)
	}
	paused := 0.0
	if q.Pause != nil {
		paused = 1
	}
	put(descPaused, paused, q.Name)
	put(descConsumers, float64(q.Consumers), q.Name)
	put(descStuck, float64(q.Stuck), q.Name)
	put(descMessages, float64(q.Poison), q.Name)
}
