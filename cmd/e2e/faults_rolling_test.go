//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// attempt is how many attempts at a video's job count.
func (r *rig) attempt(video string) (n int64) {
	r.x.Helper()
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Read(r.x.Context()).Table("jobs").Select("attempt").Where("video_id = ?", video).Scan(&n).Error)
	})
	return n
}

// balancer knows which servers are ready, as one in front of them would.
type balancer struct {
	mu    sync.Mutex
	bases []string
	ready map[string]bool
	turn  int
}

// watch asks each server ten times a second until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	c := &http.Client{Timeout: 2 * time.Second}
	for {
		b.mu.Lock()
		bases := slices.Clone(b.bases)
		b.mu.Unlock()
		for _, base := range bases {
			ok := false
			if res, err := c.Get(base + "/readyz"); err == nil {
				_ = res.Body.Close()
				ok = res.StatusCode == http.StatusOK
			}
			b.mu.Lock()
			b.ready[base] = ok
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *balancer) add(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bases = append(b.bases, base)
}

func (b *balancer) drop(base string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bases = slices.DeleteFunc(b.bases, func(s string) bool { return s == base })
	delete(b.ready, base)
}

func (b *balancer) isReady(base string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[base]
}

// next returns a ready server, "" when there is none.
func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.bases {
		b.turn++
		if base := b.bases[b.turn%len(b.bases)]; b.ready[base] {
			return base
		}
	}
	return ""
}

func rollingRestarts(x *experiment) {
	r := newRig(x, "ANB_HTTP_SHUTDOWN_DELAY=1s", "ANB_HTTP_SHUTDOWN_GRACE=3s", "ANB_WORK_DRAIN=300ms")
	front := &balancer{ready: map[string]bool{}}
	apis, workers := []*process{r.serve(), r.serve()}, []*process{r.worker(), r.worker()}
	u := r.book.join(apis[0].base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	first := u.accepted(clipOf(x.T, 2))
	u.processed(first)
	accounts := r.accounts(u.base, 20_000)
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	var load sync.WaitGroup
	for _, p := range apis {
		front.add(p.base())
	}
	load.Go(func() { front.watch(ctx) })
	x.eventually(10*time.Second, "never ready", func() bool { return front.isReady(apis[0].base()) && front.isReady(apis[1].base()) })

	var short, long, cut atomic.Int64
	do := func(what string, want int, f func(base string) reply) {
		base := front.next()
		if base == "" {
			x.Errorf("no server is ready")
			return
		}
		if got := f(base); got.status != want {
			x.Errorf("%s failed: %d %v %v", what, got.status, got.body, got.err)
		}
		short.Add(1)
	}
	load.Go(func() {
		for _, a := range accounts {
			if ctx.Err() != nil {
				return
			}
			do("a vote", http.StatusOK, func(base string) reply { return a.at(base).vote(first) })
		}
	})
	load.Go(func() {
		for ctx.Err() == nil {
			do("a list", http.StatusOK, func(base string) reply { return u.at(base).call(http.MethodGet, "/api/videos", nil) })
		}
	})
	var kept sync.Map
	load.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			do("an upload", http.StatusCreated, func(base string) reply {
				answer := u.at(base).send(r.book.key(), clip, func(b []byte) io.Reader { return paced(context.Background(), b, 10, time.Second) })
				if answer.status == http.StatusCreated && n%3 != 0 { // the workers shall keep up
					do("a deletion", http.StatusOK, func(base string) reply { return u.at(base).delete(answer.text("video_id")) })
				} else {
					kept.Store(answer.text("video_id"), true)
				}
				return answer
			})
		}
	})
	slow := r.book.join(apis[0].base(), "luis")
	load.Go(func() { // longer than the grace
		for ctx.Err() == nil {
			key := r.book.key()
			for try := 0; ; try++ {
				pace := func(b []byte) io.Reader { return paced(context.Background(), b, 16, 8*time.Second) }
				if try > 0 {
					pace = func(b []byte) io.Reader { return bytes.NewReader(b) }
				}
				answer := slow.at(front.next()).send(key, clip, pace)
				if answer.status == http.StatusCreated {
					break
				}
				if try > 3 {
					x.Errorf("a long upload cannot be repeated: %d %v", answer.status, answer.err)
					return
				}
				cut.Add(1)
			}
			long.Add(1)
		}
	})

	for range x.rounds(1, 5) {
		for i := range apis {
			was := apis[i]
			was.signal(sigterm)
			require.Zero(x, was.wait(time.Minute))
			front.drop(was.base())
			apis[i] = r.serve()
			front.add(apis[i].base())
			x.eventually(10*time.Second, "never ready again", func() bool { return front.isReady(apis[i].base()) })
		}
		for i := range workers {
			workers[i].signal(sigterm)
			require.Zero(x, workers[i].wait(time.Minute))
			workers[i] = r.worker()
		}
		x.occurred("four processes ended by SIGTERM with 0 and were started again")
	}
	cancel()
	load.Wait()
	r.ends()
	r.quit(workers...)
	x.result.Note = fmt.Sprintf("%d requests, none failed; %d uploads longer than the grace, of which %d were cut and repeated", short.Load(), long.Load(), cut.Load())
	r.inDatabase(func(d *database.DB) {
		var burnt int64
		require.NoError(x, d.Read(x.Context()).Table("job_attempts").Where("outcome NOT IN ('done', 'released', 'cancelled')").Count(&burnt).Error)
		require.Zero(x, burnt, "attempts were burnt")
		require.NoError(x, d.Read(x.Context()).Table("jobs").Where("attempt > 1").Count(&burnt).Error)
		require.Zero(x, burnt)
	})
	r.check()
}
