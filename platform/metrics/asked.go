package metrics

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

// Room tells how many bytes can still be written to a place; known is false
// when it has no limit or does not tell.
type Room func(ctx context.Context) (bytes uint64, known bool, err error)

// askTimeout is how long a scrape waits for an answer: a network disk or a
// server that is away does not give one at all.
const askTimeout = 2 * time.Second

var (
	freeDesc = prometheus.NewDesc("anb_storage_free_bytes", "Bytes that can still be written to a place.", []string{"place"}, nil)
	upDesc   = prometheus.NewDesc("anb_dependency_up", "1 while what this process needs answers within two seconds, else 0.", []string{"dependency"}, nil)
)

// Free has each scrape tell anb_storage_free_bytes of a place. Where it is not
// known, or cannot be read within two seconds, the place is left out.
func (r *Registry) Free(place string, room Room) {
	r.asked.add(freeDesc, place, false, func(ctx context.Context) (float64, bool) {
		bytes, known, err := room(ctx)
		return float64(bytes), known && err == nil
	})
}

// Dependency has each scrape tell anb_dependency_up of a server that this
// process needs.
func (r *Registry) Dependency(name string, ping func(ctx context.Context) error) {
	r.asked.add(upDesc, name, true, func(ctx context.Context) (float64, bool) { return 1, ping(ctx) == nil })
}

// asked collects what is found out when a scrape asks.
type asked struct {
	mu        sync.Mutex
	questions map[subject]*question
}

// subject is a metric and its label.
type subject struct {
	desc *prometheus.Desc
	name string
}

// question is put once at a time, and all who scrape meanwhile have the answer:
// no goroutines pile up behind one that hangs.
type question struct {
	ask    func(context.Context) (value float64, ok bool)
	zero   bool // told when there is no answer; else nothing is
	asking singleflight.Group
}

func (a *asked) add(desc *prometheus.Desc, name string, zero bool, ask func(context.Context) (float64, bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.questions[subject{desc, name}] = &question{ask: ask, zero: zero}
}

// Describe implements prometheus.Collector.
func (a *asked) Describe(descs chan<- *prometheus.Desc) {
	descs <- freeDesc
	descs <- upDesc
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(out chan<- prometheus.Metric) {
	a.mu.Lock()
	questions := maps.Clone(a.questions)
	a.mu.Unlock()
	var wg sync.WaitGroup
	for s, q := range questions {
		wg.Go(func() {
			if value, ok := q.put(); ok || q.zero {
				out <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, value, s.name)
			}
		})
	}
	wg.Wait()
}

// put asks; without an answer the value is 0.
func (q *question) put() (value float64, ok bool) {
	answer := q.asking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		value, ok := q.ask(ctx)
		if !ok {
			return 0.0, errNone
		}
		return value, nil
	})
	late := time.NewTimer(askTimeout)
	defer late.Stop()
	select {
	case a := <-answer:
		return a.Val.(float64), a.Err == nil
	case <-late.C:
		return 0, false
	}
}

var errNone = errors.New("no answer")
