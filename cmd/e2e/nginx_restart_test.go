//go:build e2e

package e2e

import (
	"context"
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

// load begins; each account votes for each of the videos once.
func (s *site) load(voters []*user, videos ...string) *load {
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
		for _, video := range videos {
			for _, v := range voters {
				if ctx.Err() != nil {
					return
				}
				do("a vote", http.StatusOK, v.vote(video))
			}
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

func TestNginx_RestartsOfTheAPIInTurnFailNoRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ANB_HTTP_SHUTDOWN_DELAY=500ms")
	u := s.book.join(s.base(), "ana")
	w := s.worker()
	video := u.accepted(clipOf(t, 2))
	u.processed(video)
	s.quit(w)
	began := time.Now()
	l := s.load(s.accounts(s.base(), 5000), video)
	for n := range 10 {
		n = n%2 + 1
		s.apis[n].signal(sigterm)
		require.Zero(t, s.apis[n].wait(time.Minute))
		s.replica(n)
	}
	sent := l.end()
	t.Logf("%d requests in %s", sent, time.Since(began))
	s.check()
}
