package metrics

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Room tells how many bytes can still be written to a place; known is false
// when it has no limit or does not tell.
type Room func(ctx context.Context) (bytes uint64, known bool, err error)

// roomTimeout is how long a scrape waits for a place: a network disk that is
// away does not answer at all.
const roomTimeout = 2 * time.Second

// Free has each scrape tell anb_storage_free_bytes of a place. Where it is not
// known, or cannot be read within two seconds, the place is left out.
func (r *Registry) Free(place string, room Room) { r.free.add(place, room) }

var freeDesc = prometheus.NewDesc("anb_storage_free_bytes", "Bytes that can still be written to a place.", []string{"place"}, nil)

// free collects the room of places.
type free struct {
	mu     sync.Mutex
	places map[string]*place
}

// place is read by one scrape at a time, so that no goroutines pile up behind
// one that hangs.
type place struct {
	room    Room
	reading chan struct{}
}

func (f *free) add(name string, room Room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.places[name] = &place{room: room, reading: make(chan struct{}, 1)}
}

// Describe implements prometheus.Collector.
func (f *free) Describe(descs chan<- *prometheus.Desc) { descs <- freeDesc }

// Collect implements prometheus.Collector.
func (f *free) Collect(out chan<- prometheus.Metric) {
	f.mu.Lock()
	places := maps.Clone(f.places)
	f.mu.Unlock()
	var wg sync.WaitGroup
	for name, p := range places {
		wg.Go(func() {
			if bytes, known := p.read(); known {
				out <- prometheus.MustNewConstMetric(freeDesc, prometheus.GaugeValue, float64(bytes), name)
			}
		})
	}
	wg.Wait()
}

func (p *place) read() (bytes uint64, known bool) {
	ctx, cancel := context.WithTimeout(context.Background(), roomTimeout)
	defer cancel()
	select {
	case p.reading <- struct{}{}:
	case <-ctx.Done():
		return 0, false // an earlier one still hangs
	}
	type answer struct {
		bytes uint64
		known bool
	}
	got := make(chan answer, 1)
	go func() {
		bytes, known, err := p.room(ctx)
		<-p.reading
		got <- answer{bytes, known && err == nil}
	}()
	select {
	case a := <-got:
		return a.bytes, a.known
	case <-ctx.Done():
		return 0, false
	}
}
