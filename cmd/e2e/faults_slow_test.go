//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
)

func slowFaults() []faultCase {
	return []faultCase{
		{"F16", "two hundred uploads that send one byte a second, beside an honest one of 95 MiB at 200 KB/s", "each slow one is cut with 408 within 60 s; the honest one is accepted; others are served in twice the time at most", false, slowBodies},
		{"F17", "two hundred clients that send their header a byte at a time", "closed within 10 s, others are served", true, slowHeaders},
	}
}

// p95 is the time in which 95 in 100 of n small requests are answered.
func (u *user) p95(n int) time.Duration {
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		if r := u.call(http.MethodGet, "/api/videos", nil); r.status != http.StatusOK {
			u.b.t.Errorf("another request is answered %d %v", r.status, r.err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[n*95/100]
}

// drip opens a connection, sends begin, and then each once a second until the
// server closes it; it returns what came back and how long that took.
func drip(ctx context.Context, base, begin, each string) (answer string, lived time.Duration, err error) {
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return "", 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	began := time.Now()
	if _, err := io.WriteString(c, begin); err != nil {
		return "", 0, err
	}
	done := make(chan string, 1)
	go func() {
		got, _ := io.ReadAll(io.LimitReader(c, 64<<10)) // until it is closed, however
		done <- string(got)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case got := <-done:
			return got, time.Since(began), ctx.Err()
		case <-tick.C:
			_, _ = io.WriteString(c, each) // the reader finds out when it is over
		}
	}
}

func slowBodies(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	r.settle(api, u)
	clip := contentOf(x, clipOf(x.T, 2))
	sockets, length, requests := 60, 6<<20, 300
	if full() {
		sockets, length, requests = 200, 95<<20, 2000
	}
	x.rounds(1, 1)
	clip = append(clip, freeBox(length-len(clip))...)
	accounts := r.accounts(u.base, (sockets+2)/3) // each may upload three at once
	unloaded := u.p95(requests)

	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	body, contentType := form("Lento", "clip.mp4", make([]byte, 1<<20))
	var slow sync.WaitGroup
	var cut atomic.Int64
	var longest atomic.Int64
	for i := range sockets {
		slow.Go(func() {
			for ctx.Err() == nil { // whoever is cut begins again
				who := accounts[i/3]
				answer, lived, err := drip(ctx, u.base, who.head(contentType, int64(len(body)))+string(body[:300]), "x")
				switch {
				case err != nil: // the end of the test
				case strings.HasPrefix(answer, "HTTP/1.1 408"):
					cut.Add(1)
					for was := longest.Load(); int64(lived) > was && !longest.CompareAndSwap(was, int64(lived)); was = longest.Load() {
					}
				case strings.HasPrefix(answer, "HTTP/1.1 429"): // the one before is just being ended
				default:
					x.Errorf("a slow upload got %.60q after %s", answer, lived)
					return
				}
			}
		})
	}
	honest := make(chan reply, 1)
	began := time.Now()
	go func() {
		over := time.Duration(length) * time.Second / 200_000
		honest <- u.send(r.book.key(), clip, func(b []byte) io.Reader { return paced(x.Context(), b, int(over/(200*time.Millisecond)), over) })
	}()
	x.eventually(time.Minute, "the slow ones are not all there", func() bool {
		return x.metric(api, "process_open_fds") >= r.baseline[api].files+float64(2*sockets) // a connection and a file each
	})
	x.occurred("%d uploads of one byte a second were open at once", sockets)
	loaded := u.p95(requests)
	x.result.Note = fmt.Sprintf("p95 of other requests: %.1f ms before, %.1f ms meanwhile", float64(unloaded.Microseconds())/1000, float64(loaded.Microseconds())/1000)
	x.eventually(90*time.Second, "no slow one is cut", func() bool { return cut.Load() >= int64(sockets) })
	answer := <-honest
	require.Equal(x, http.StatusCreated, answer.status, "%v %v", answer.body, answer.err)
	x.occurred("the honest upload of %d MiB took %.0f s", length>>20, time.Since(began).Seconds())
	x.occurred("slow uploads were cut with 408 after at most %.0f s", time.Duration(longest.Load()).Seconds())
	require.Less(x, time.Duration(longest.Load()), time.Minute)
	if full() { // else it would measure the tests beside it
		require.Less(x, loaded, max(2*unloaded, 5*time.Millisecond), "before: %s", unloaded)
	}
	cancel()
	slow.Wait()
	r.finish()
	r.check()
}

// freeBox is n bytes that belong to an MP4 file and mean nothing.
func freeBox(n int) []byte {
	b := bytes.Repeat([]byte{0x55}, n)
	copy(b, []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 'f', 'r', 'e', 'e'})
	return b
}

func slowHeaders(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	r.settle(api, u)
	for range x.rounds(1, 5) {
		var group sync.WaitGroup
		var longest atomic.Int64
		for range 200 {
			group.Go(func() {
				_, lived, err := drip(x.Context(), u.base, "GET /api/videos HTTP/1.1\r\nHost: anb\r\nX-Slow: ", "x")
				if err != nil {
					x.Errorf("a slow header: %v", err)
				}
				for was := longest.Load(); int64(lived) > was && !longest.CompareAndSwap(was, int64(lived)); was = longest.Load() {
				}
			})
		}
		x.eventually(30*time.Second, "the slow ones are not all there", func() bool {
			return x.metric(api, "process_open_fds") >= r.baseline[api].files+200
		})
		x.occurred("two hundred half headers were open at once")
		require.Equal(x, http.StatusOK, u.call(http.MethodGet, "/api/videos", nil).status)
		group.Wait()
		require.Less(x, time.Duration(longest.Load()), 11*time.Second)
		x.occurred("closed after at most %.1f s", time.Duration(longest.Load()).Seconds())
	}
	r.check()
}
