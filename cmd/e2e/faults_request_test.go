//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

func requestFaults() []faultCase {
	return []faultCase{
		{"F20", "serve killed after the file is stored and before its row is", "no row; the janitor removes the file after the grace; the repeated upload succeeds", true, killedBeforeRow},
		{"F21", "serve killed after the row is committed and before a worker is woken", "the sweeper finds the job, the video is published", true, killedBeforeWake},
		{"F40", "fifty sign-ups with one e-mail, in several spellings, at once", "one 201, forty-nine times 400, one account", true, signUpRace},
		{"F43", "twenty deletions of one video at once; deletions beside repeats of its upload", "one 200, nineteen times 404; never a row without its file", true, deleteRace},
		{"F51", "a panic in a request and in a job", "500 with the request's number, a failed attempt; both processes live and go on", true, panics},
	}
}

// dying starts a server that ends itself at a point.
func (r *rig) dying(point string) *process { return r.with("ANB_CRASH_AT=" + point).serve() }

func killedBeforeRow(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	send := func(u *user, key string) reply {
		return u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
	}
	for range x.rounds(2, 20) {
		key := r.book.key()
		p := r.dying("upload.stored")
		require.Error(x, send(u.at(p.base()), key).err)
		x.killed(p)
		at := time.Now()
		require.Len(x, r.files("uploads"), 1, "an orphan")
		require.Zero(x, r.rows("videos"))
		require.Zero(x, r.run("janitor").wait(time.Minute))
		require.Len(x, r.files("uploads"), 1, "it is younger than the grace")
		require.Zero(x, r.with("ANB_PROCESSING_GRACE=1ms").run("janitor").wait(time.Minute))
		require.Empty(x, r.files("uploads"))
		again := send(u, key)
		require.Equal(x, http.StatusCreated, again.status)
		x.recovered(at)
		require.Equal(x, http.StatusOK, u.delete(again.text("video_id")).status)
	}
	send(u, r.book.key())
	r.finish()
	r.check()
}

// rows counts a table.
func (r *rig) rows(table string) (n int64) {
	r.x.Helper()
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Read(r.x.Context()).Table(table).Count(&n).Error)
	})
	return n
}

func killedBeforeWake(x *experiment) {
	r := newRig(x)
	u := r.book.join(r.serve().base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	w := r.worker()
	for range x.rounds(1, 20) {
		key := r.book.key()
		p := r.dying("upload.recorded")
		require.Error(x, u.at(p.base()).send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) }).err)
		x.killed(p)
		at := time.Now()
		r.ends() // although nobody woke the worker, and nobody repeats
		require.Less(x, x.recovered(at), time.Minute)
		again := u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
		require.Equal(x, http.StatusCreated, again.status)
		require.Equal(x, "true", again.header.Get("Idempotent-Replayed"))
		u.processed(again.text("video_id"))
	}
	r.quit(w)
	r.check()
}

func signUpRace(x *experiment) {
	r := newRig(x)
	one, two := r.serve(), r.serve()
	spellings := []string{"carrera@example.co", "CARRERA@example.co", "Carrera@Example.CO", " carrera@example.co "}
	n := x.rounds(2, 20)
	for round := range n {
		begin := make(chan struct{})
		statuses := make([]int, 50)
		var group sync.WaitGroup
		for i := range statuses {
			u := &user{b: r.book, base: []string{one.base(), two.base()}[i%2]}
			email := strings.Replace(spellings[i%len(spellings)], "@", strings.Repeat("x", round)+"@", 1)
			group.Go(func() {
				<-begin
				statuses[i] = u.post("/api/auth/signup", map[string]any{
					"first_name": "Ana", "last_name": "Prueba", "email": email, "password1": password, "password2": password, "city": "Cali", "country": "Colombia",
				}).status
			})
		}
		close(begin)
		group.Wait()
		made := 0
		for _, s := range statuses {
			if s == http.StatusCreated {
				made++
				continue
			}
			require.Equal(x, http.StatusBadRequest, s)
		}
		require.Equal(x, 1, made)
		require.EqualValues(x, round+1, r.rows("users"))
	}
	x.occurred("fifty requests at once, all answered")
	r.check()
}

func deleteRace(x *experiment) {
	r := newRig(x)
	one, two := r.serve(), r.serve()
	u := r.book.join(one.base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	send := func(key string) reply {
		return u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
	}
	for range x.rounds(3, 20) {
		id := send(r.book.key()).text("video_id")
		begin := make(chan struct{})
		statuses := make([]int, 20)
		var group sync.WaitGroup
		for i := range statuses {
			group.Go(func() {
				<-begin
				statuses[i] = u.at([]string{one.base(), two.base()}[i%2]).delete(id).status
			})
		}
		close(begin)
		group.Wait()
		gone := 0
		for _, s := range statuses {
			if s == http.StatusOK {
				gone++
				continue
			}
			require.Equal(x, http.StatusNotFound, s)
		}
		require.Equal(x, 1, gone)
		x.occurred("twenty deletions at once, all answered")

		// The upload's answer was lost, say, and the phone repeats it while the
		// player deletes the video elsewhere.
		key := r.book.key()
		id = send(key).text("video_id")
		var repeated, deleted reply
		group.Go(func() { deleted = u.at(two.base()).delete(id) })
		group.Go(func() {
			body, contentType := form("Jugada "+key, "clip.mp4", clip)
			repeated = u.call(http.MethodPost, "/api/videos/upload", bytes.NewReader(body), "Content-Type", contentType, "Idempotency-Key", key)
		})
		group.Wait()
		require.Equal(x, http.StatusOK, deleted.status)
		require.Equal(x, http.StatusCreated, repeated.status, "%v", repeated.body)
		if again := repeated.text("video_id"); again != id { // it came after the deletion, and is another video
			require.Equal(x, http.StatusOK, u.delete(again).status)
		}
		x.occurred("a deletion beside a repeat of its upload")
	}
	r.check()
}

func panics(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_MAX_ATTEMPTS=2")
	u := r.book.join(r.serve().base(), "ana")
	id := r.published(u)
	voters := r.accounts(u.base, 2)
	for range x.rounds(1, 5) {
		api := r.with("ANB_PANIC_AT=vote.checked").serve()
		first := voters[0].at(api.base()).call(http.MethodPost, "/api/public/videos/"+id+"/vote", nil)
		require.Equal(x, http.StatusInternalServerError, first.status)
		require.Equal(x, first.header.Get("X-Request-Id"), first.text("request_id"))
		require.NotEmpty(x, first.text("request_id"))
		require.NotContains(x, first.text("detail"), "panic")
		api.said("panic point vote.checked reached")
		x.occurred("a request panicked")
		// The book counts a 500 as wrong; this one was made.
		r.book.mu.Lock()
		require.Len(x, r.book.wrong, 1)
		r.book.wrong = nil
		delete(r.book.answers, http.StatusInternalServerError)
		r.book.mu.Unlock()
		voters[0].at(api.base()).vote(id)
		require.Equal(x, http.StatusOK, u.at(api.base()).call(http.MethodGet, "/api/videos", nil).status, "the process lives")

		w := r.with("ANB_PANIC_AT=encode.inspected").worker()
		at := time.Now()
		clip := u.accepted(clipOf(x.T, 2))
		u.processed(clip)
		x.recovered(at)
		w.said("panic point encode.inspected reached")
		x.occurred("a job panicked")
		require.Equal(x, []string{"failed", "done"}, r.attempts(clip))
		r.quit(w, api)
	}
	r.check()
}
