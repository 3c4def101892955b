//go:build e2e

package e2e

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load is requests of all kinds through nginx, until it ends. Whichever fails
// fails the test.
type load struct {
	s     *site
	stop  context.CancelFunc
	group sync.WaitGroup
	sent  atomic.Int64
}

// load begins; each account votes for the video once.
func (s *site) load(voters []*user, video string) *load {
	ctx, cancel := context.WithCancel(s.x.Context())
	l := &load{s: s, stop: cancel}
	do := func(what string, want int, r reply) {
		l.sent.Add(1)
		if r.status != want {
			s.x.Errorf("%s failed: %d %v %v", what, r.status, r.body, r.err)
		}
	}
	reader := voters[0]
	for range 2 {
		l.group.Go(func() {
			for ctx.Err() == nil {
				do("a list", http.StatusOK, reader.call(http.MethodGet, "/api/videos", nil))
			}
		})
	}
	l.group.Go(func() {
		for _, v := range voters {
			if ctx.Err() != nil {
				return
			}
			do("a vote", http.StatusOK, v.vote(video))
		}
	})
	l.group.Go(func() {
		for ctx.Err() == nil {
			do("a log-in", http.StatusUnauthorized, reader.post("/api/auth/login", map[string]any{"email": "nadie@example.co", "password": password}))
		}
	})
	return l
}

// end ends the load and returns how many requests were sent.
func (l *load) end() int64 {
	l.stop()
	l.group.Wait()
	return l.sent.Load()
}

// The whole operation goes on while its parts are started again.
func TestNginx_RestartsFailNoRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ANB_HTTP_SHUTDOWN_DELAY=200ms")
	u := s.book.join(s.base(), "ana")
	id := s.published(u)
	clip := contentOf(s.x, clipOf(t, 2))
	voters := s.accounts(s.base(), 3000)

	t.Run("nginx reads its configuration again", func(t *testing.T) { // F29
		l := s.load(voters[:1500], id)
		uploaded := make(chan reply, 1)
		go func() {
			uploaded <- u.send(s.book.key(), clip, func(b []byte) io.Reader { return paced(t.Context(), b, 20, 2*time.Second) })
		}()
		for range 3 {
			before := l.sent.Load()
			s.front.reload()
			require.Eventually(t, func() bool { return l.sent.Load() > before+100 }, 10*time.Second, 10*time.Millisecond)
		}
		r := <-uploaded
		require.Equal(t, http.StatusCreated, r.status, "%v %v", r.body, r.err)
		t.Logf("%d requests", l.end())
	})
	t.Run("both replicas take their share", func(t *testing.T) {
		share := map[string]int{}
		c := from(t, "127.0.0.1")
		for range 200 {
			share[s.front.get(t, c, "/health").line["upstream"].(string)]++
		}
		require.Len(t, share, 2)
		for replica, n := range share {
			require.Greater(t, n, 50, replica)
		}
	})
	t.Run("the API's replicas are started again in turn", func(t *testing.T) {
		l := s.load(voters[1500:], id)
		for n := range 4 {
			n = n%2 + 1
			s.apis[n].signal(sigterm)
			require.Zero(t, s.apis[n].wait(time.Minute))
			s.replica(n)
		}
		t.Logf("%d requests", l.end())
	})
	t.Run("the API comes back at another address", func(t *testing.T) { // F30, R38
		for n := range 2 {
			s.apis[n+1].kill()
		}
		s.front.names.are()
		c := from(t, "127.0.0.1")
		require.Eventually(t, func() bool { return s.front.get(t, c, "/health").line["upstream"] == "" }, 10*time.Second, 20*time.Millisecond)
		requireProblem(t, s.front.get(t, c, "/health"), 502, "BAD_GATEWAY")
		s.replica(3)
		s.front.names.are(s.front.replica(3))
		began := time.Now()
		require.Eventually(t, func() bool { return s.front.get(t, c, "/health").status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
		t.Logf("found after %s", time.Since(began))
		// And when it moves without the name being away.
		s.replica(4)
		s.front.names.are(s.front.replica(4))
		s.apis[3].kill()
		began = time.Now()
		require.Eventually(t, func() bool { return s.front.get(t, c, "/health").status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
		t.Logf("found after %s", time.Since(began))
	})
	s.finish()
	s.check()
}
