//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

func databaseFaults() []faultCase {
	return []faultCase{
		{"F7", "PostgreSQL ended at once, and cleanly, under a load of votes", "503 while it is away, every acknowledged vote is there, votes are taken again within 10 s", true, postgresRestarted},
		{"F8", "the database goes away at the end of an upload", "503, no file is left, the repeated upload succeeds", true, postgresAwayAtTheEnd},
		{"F9", "answers of the database take 2 s, with queries limited to 1 s, for a hundred clients", "503 in time, /health 200, /readyz 503, no goroutines pile up", true, postgresSlow},
		{"R7", "the database accepts connections and never answers", "503 within the query timeout of 5 s where it is needed and only there; back within 10 s", false, postgresFrozen},
	}
}

// voters votes with new accounts until stop is closed, through any of the
// servers, again and again until it is told yes or no.
func (x *experiment) voters(accounts []*user, bases []string, video string, stop <-chan struct{}) (wait func() (asked, refused int64)) {
	var group sync.WaitGroup
	var asked, refused atomic.Int64
	next := make(chan *user, len(accounts))
	for _, u := range accounts {
		next <- u
	}
	close(next)
	for n := range 8 {
		group.Go(func() {
			for u := range next {
				for try := 0; ; try++ {
					select {
					case <-stop:
						return
					default:
					}
					asked.Add(1)
					r := u.at(bases[(n+try)%len(bases)]).vote(video)
					if r.status == http.StatusOK || r.status == http.StatusBadRequest {
						break
					}
					refused.Add(1)
				}
			}
		})
	}
	return func() (int64, int64) {
		group.Wait()
		return asked.Load(), refused.Load()
	}
}

func postgresRestarted(x *experiment) {
	r := newRig(x)
	one, two := r.serve(), r.serve()
	u := r.book.join(one.base(), "ana")
	w := r.worker()
	id := u.accepted(clipOf(x.T, 2))
	u.processed(id)
	r.settle(one, u)
	rounds := x.rounds(2, 10)
	accounts := r.accounts(u.base, rounds*400)
	for n := range rounds {
		stop := make(chan struct{})
		wait := x.voters(accounts[n*400:][:400], []string{one.base(), two.base()}, id, stop)
		x.eventually(time.Minute, "nobody votes", func() bool { return r.votes(id) >= 20+400*n/10 })
		end, how := r.pg.Kill, "killed"
		if n%2 == 1 {
			end, how = r.pg.Quit, "ended"
		}
		_ = end() // PostgreSQL's exit code says nothing about us
		x.occurred("PostgreSQL %s under load", how)
		x.eventually(10*time.Second, "requests go on as if nothing were", func() bool {
			return u.call(http.MethodGet, "/api/videos/"+id, nil).status == http.StatusServiceUnavailable
		})
		r.pg.Launch()
		at := time.Now()
		x.eventually(10*time.Second, "it does not come back by itself", func() bool {
			return u.call(http.MethodGet, "/api/videos/"+id, nil).status == http.StatusOK
		})
		x.recovered(at)
		_, refused := wait()
		require.NotZero(x, refused, "no voter noticed: the load was too small")
		close(stop)
	}
	r.quit(w)
	r.check()
}

func postgresAwayAtTheEnd(x *experiment) {
	r := newRig(x)
	u := r.book.join(r.serve().base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	for range x.rounds(2, 10) {
		key := r.book.key()
		first := u.send(key, clip, func(body []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(body[:len(body)-10]), before(r.db.cut), bytes.NewReader(body[len(body)-10:]))
		})
		require.Equal(x, http.StatusServiceUnavailable, first.status, "%v %v", first.body, first.err)
		x.occurred("the proxy broke the connections of the database before the end of the upload")
		require.Empty(x, r.files("uploads"), "the file is gone")
		r.db.mend()
		at := time.Now()
		var id string
		x.eventually(10*time.Second, "the second try fails", func() bool {
			again := u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
			id = again.text("video_id")
			return again.status == http.StatusCreated
		})
		x.recovered(at)
		require.Equal(x, http.StatusOK, u.delete(id).status)
	}
	for range x.rounds(2, 10) {
		// Later: the file is stored, its row is not.
		stops := r.with("ANB_STOP_AT=upload.stored").serve()
		key := r.book.key()
		done := make(chan reply, 1)
		go func() {
			done <- u.at(stops.base()).send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
		}()
		stops.said("stop point upload.stored reached")
		x.eventually(10*time.Second, "nothing is stored", func() bool { return len(r.files("uploads")) == 1 })
		r.db.cut()
		x.occurred("the database went away between the file and its row")
		stops.signal(syscall.SIGCONT)
		require.Equal(x, http.StatusServiceUnavailable, (<-done).status)
		require.Empty(x, r.files("uploads"), "the file is gone")
		r.db.mend()
		r.quit(stops)
	}
	x.result.Rounds *= 2 // the two places
	u.accepted(clipOf(x.T, 2))
	r.finish()
	r.check()
}

// before is a reader without content that does something when it is read.
func before(do func()) io.Reader { return &doer{do: do} }

type doer struct {
	do   func()
	once sync.Once
}

func (d *doer) Read([]byte) (int, error) {
	d.once.Do(d.do)
	return 0, io.EOF
}

func postgresSlow(x *experiment) {
	r := newRig(x, "ANB_DATABASE_QUERY_TIMEOUT=1s")
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	r.settle(api, u)
	for range x.rounds(1, 5) {
		r.db.toxic("latency", "downstream", `{"latency": 2000}`)
		passed := r.db.bytes()
		var group sync.WaitGroup
		var slowest atomic.Int64
		statuses := make([]int, 100)
		for i := range statuses {
			group.Go(func() {
				began := time.Now()
				statuses[i] = u.call(http.MethodGet, "/api/videos", nil).status
				for took := time.Since(began).Milliseconds(); ; {
					was := slowest.Load()
					if took <= was || slowest.CompareAndSwap(was, took) {
						return
					}
				}
			})
		}
		require.Equal(x, http.StatusOK, u.call(http.MethodGet, "/health", nil).status)
		require.Equal(x, http.StatusServiceUnavailable, u.call(http.MethodGet, "/readyz", nil).status)
		group.Wait()
		for _, s := range statuses {
			require.Equal(x, http.StatusServiceUnavailable, s)
		}
		require.Greater(x, r.db.bytes(), passed)
		x.occurred("statements went through a proxy that holds each answer back for 2 s")
		x.result.Note = fmt.Sprintf("the slowest of 100 answers took %.1f s", float64(slowest.Load())/1000)
		require.Less(x, slowest.Load(), int64(5000))
		r.db.thaw()
		at := time.Now()
		x.eventually(10*time.Second, "it does not come back", func() bool {
			return u.call(http.MethodGet, "/api/videos", nil).status == http.StatusOK
		})
		x.recovered(at)
	}
	r.check()
}

func postgresFrozen(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	w := r.worker()
	clip := clipOf(x.T, 2)
	id := u.accepted(clip)
	u.processed(id)
	r.settle(api, u)
	processed := u.call(http.MethodGet, "/api/videos/"+id, nil).text("processed_url")
	for range x.rounds(1, 5) {
		passed := r.db.bytes()
		r.db.freeze()
		type request struct{ method, path string }
		var group sync.WaitGroup
		for _, q := range []request{
			{"GET", "/api/videos"}, {"POST", "/api/public/videos/" + id + "/vote"}, {"DELETE", "/api/videos/" + id}, {"GET", "/api/auth/me"},
			{"GET", "/api/public/videos?q=" + newID()}, {"GET", "/api/jobs/" + newID()},
		} {
			group.Go(func() {
				began := time.Now()
				answer := u.call(q.method, q.path, nil)
				took := time.Since(began)
				if answer.status != http.StatusServiceUnavailable || took > 5*time.Second+2*time.Second {
					x.Errorf("%s %s: %d after %s (%v)", q.method, q.path, answer.status, took, answer.err)
				}
			})
		}
		for _, path := range []string{"/health", "/docs", processed} {
			require.Equal(x, http.StatusOK, u.call(http.MethodGet, path, nil).status, "%s needs no database", path)
		}
		group.Wait()
		r.db.thaw()
		// A connection's bytes are counted when it ends.
		x.eventually(10*time.Second, "nothing went into the proxy", func() bool { return r.db.bytes() > passed })
		x.occurred("statements went into a proxy that passed nothing on")
		at := time.Now()
		x.eventually(10*time.Second, "it does not come back", func() bool {
			return u.call(http.MethodGet, "/api/videos", nil).status == http.StatusOK
		})
		x.recovered(at)
		u.processed(u.accepted(clip))
	}
	r.quit(w)
	r.check()
}
