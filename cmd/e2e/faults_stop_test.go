//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

func stopFaults() []faultCase {
	return []faultCase{
		{"F31", "SIGTERM to serve while uploads are under way", "not ready first; what fits into the grace is finished; the rest is cut, cleaned up and can be repeated; exit 0", false, serveStopped},
		{"F32", "SIGTERM to a worker in the middle of a job; a second one", "the job is handed back without burning an attempt, exit 0 within the drain; the second signal ends it at once", true, workerStopped},
		{"F33", "SIGTERM while Redis is away", "serve and work end all the same, within their grace, with 0", false, stoppedWithoutRedis},
		{"R10", "every serve and every worker restarted in turn under load, two of each", "no request shorter than the grace fails, no attempt is burnt, longer uploads are repeated", true, rollingRestarts},
	}
}

func serveStopped(x *experiment) {
	r := newRig(x, "ANB_HTTP_SHUTDOWN_DELAY=500ms")
	stays := r.serve()
	clip := contentOf(x, clipOf(x.T, 2))
	u := r.book.join(stays.base(), "ana")
	for range x.rounds(1, 5) {
		// One that fits into the grace.
		p := r.serve()
		began := make(chan struct{})
		done := make(chan reply, 1)
		send := func(u *user, key string, over time.Duration) {
			done <- u.send(key, clip, func(b []byte) io.Reader {
				return io.MultiReader(bytes.NewReader(b[:10]), before(func() { close(began) }), paced(x.Context(), b[10:], 30, over))
			})
		}
		go send(u.at(p.base()), r.book.key(), 5*time.Second)
		<-began
		p.signal(syscall.SIGTERM)
		x.eventually(2*time.Second, "it stays ready", func() bool {
			return u.at(p.base()).call(http.MethodGet, "/readyz", nil).status == http.StatusServiceUnavailable
		})
		answer := <-done
		require.Equal(x, http.StatusCreated, answer.status, "%v", answer.err)
		require.Zero(x, p.wait(10*time.Second))
		x.occurred("SIGTERM arrived in the middle of an upload, which was finished")
		require.Error(x, u.at(p.base()).call(http.MethodGet, "/health", nil).err)

		// One that does not.
		p = r.with("ANB_HTTP_SHUTDOWN_GRACE=1s").serve()
		files := len(r.files("uploads"))
		key := r.book.key()
		began = make(chan struct{})
		go send(u.at(p.base()), key, 20*time.Second)
		<-began
		x.eventually(5*time.Second, "nothing is staged", func() bool { return len(r.files("uploads")) > files })
		p.signal(syscall.SIGTERM)
		require.NotEqual(x, http.StatusCreated, (<-done).status)
		at := time.Now()
		require.Zero(x, p.wait(10*time.Second), p.out.String())
		p.said("requests cut that lasted longer than the grace")
		x.occurred("an upload longer than the grace was cut")
		require.Len(x, r.files("uploads"), files, "what was staged is gone")
		require.Equal(x, http.StatusCreated, u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) }).status)
		x.recovered(at)
	}
	r.finish()
	r.check()
}

func workerStopped(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	for range x.rounds(1, 5) {
		w := r.with("ANB_WORK_DRAIN=500ms").worker()
		id := u.accepted(clip)
		u.midway(id)
		w.signal(syscall.SIGTERM)
		at := time.Now()
		require.Zero(x, w.wait(15*time.Second))
		x.occurred("SIGTERM in the middle of a job")
		requireNoStrays(x.T, r.dir, time.Second)
		require.Equal(x, []string{"released"}, r.attempts(id))
		w = r.worker() // may drain for 25 s
		u.processed(id)
		x.recovered(at)
		require.Equal(x, []string{"released", "done"}, r.attempts(id))
		require.EqualValues(x, 1, r.attempt(id), "nothing is burnt")

		id = u.accepted(clip)
		u.midway(id)
		x.eventually(3*time.Second, "it goes on draining", func() bool {
			_ = w.cmd.Process.Signal(syscall.SIGTERM) // each one after the first
			select {
			case <-w.done:
				return true
			default:
				return false
			}
		})
		require.NotZero(x, w.wait(time.Second))
		x.occurred("a second SIGTERM in the middle of a job")
		requireNoStrays(x.T, r.dir, 2*time.Second)
		w = r.worker()
		u.processed(id)
		r.quit(w)
	}
	require.Empty(x, r.files("work"))
	r.check()
}

func stoppedWithoutRedis(x *experiment) {
	r := newRig(x, slowly, "ANB_WORK_DRAIN=2s")
	r.encode(slowEncoder)
	stays := r.serve()
	u := r.book.join(stays.base(), "ana")
	clip := clipOf(x.T, 6)
	for range x.rounds(1, 5) {
		api, w := r.serve(), r.worker()
		id := u.accepted(clip)
		u.midway(id)
		r.bus.cut()
		at := time.Now()
		api.signal(syscall.SIGTERM)
		w.signal(syscall.SIGTERM)
		require.Zero(x, api.wait(10*time.Second))
		require.Zero(x, w.wait(2*time.Second+10*time.Second))
		x.occurred("Redis was cut off in the middle of a job")
		x.result.Note = "both had ended " + time.Since(at).Round(100*time.Millisecond).String() + " after the signal, with a drain of 2 s"
		requireNoStrays(x.T, r.dir, time.Second)
		require.Equal(x, []string{"released"}, r.attempts(id))
		r.bus.mend()
		at = time.Now()
		w = r.worker()
		u.processed(id)
		x.recovered(at)
		r.quit(w)
	}
	r.check()
}
