//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus"
)

const sigterm = syscall.SIGTERM

func workerFaults() []faultCase {
	return []faultCase{
		{"F1", "kill -9 of a worker in the middle of a job", "taken over when the lease has ended, published once, nothing left over", true, workerKilled},
		{"F2", "kill -9 of a worker every three seconds while twenty videos wait", "all twenty are published", false, workersKilledAgainAndAgain},
		{"F23", "the same message fifty times for two workers; a worker that freezes beyond its lease and wakes", "one claim wins, the late result is thrown away", true, jobDeliveredTwice},
		{"F24", "a video that ends its worker each time", "failed as poison after three attempts, others are published", false, poisonVideo},
		{"F25", "messages that are no messages: broken, unknown, of a wrong type, 5 MB", "set aside and counted, neighbours are published", true, poisonMessages},
		{"F41", "deletion in the middle of a job", "the encoder ends within 10 s, nothing is left, nothing comes back", true, deletedMidJob},
	}
}

func clipOf(t *testing.T, seconds float64) string {
	t.Helper()
	return ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: seconds})
}

func workerKilled(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	w := r.worker()
	for range x.rounds(1, 5) {
		first, second := u.accepted(clip), u.accepted(clip)
		u.midway(first)
		w.kill()
		x.killed(w)
		at := time.Now()
		requireNoStrays(x.T, r.dir, 2*time.Second)
		w = r.worker()
		u.until(first, 3*time.Second+5*time.Second, "processing") // the lease of these tests is 3 s
		u.processed(first)
		x.recovered(at)
		u.processed(second)
		require.Equal(x, []string{"lost", "done"}, r.attempts(first))
		require.Equal(x, []string{"done"}, r.attempts(second))
	}
	r.quit(w)
	require.Empty(x, r.files("work"), "scratch of the dead is gone")
	r.check()
}

func workersKilledAgainAndAgain(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_MAX_ATTEMPTS=20") // so many kills may meet one video thrice
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 2)
	var ids []string
	for range 20 {
		ids = append(ids, u.accepted(clip))
	}
	x.result.Rounds = 0
	end := time.Now().Add(time.Minute)
	for time.Now().Before(end) {
		w := r.worker()
		tick := time.NewTimer(3 * time.Second)
		select {
		case <-tick.C:
		case <-w.done:
		}
		w.kill()
		x.killed(w)
		x.result.Rounds++
	}
	at := time.Now()
	r.finish()
	u.processed(ids...)
	x.recovered(at)
	r.check()
}

func jobDeliveredTwice(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	redis := r.client()
	workers := []*process{r.worker(), r.worker()}
	rounds := x.rounds(1, 5)
	for range rounds {
		id := u.accepted(clip)
		r.book.mu.Lock()
		var task string
		for _, sent := range r.book.uploads {
			if sent.id == id {
				task = sent.task
			}
		}
		r.book.mu.Unlock()
		message := `{"UUID":"` + newID() + `","Name":"process","RoutingKey":"video_queue","Args":[{"Name":"","Type":"string","Value":"` + task + `"}]}`
		require.NoError(x, redis.RPush(x.Context(), "video_queue", slices.Repeat([]any{message}, 50)...).Err())
		u.midway(id)

		// Whoever has it freezes; the other one must take over and finish.
		holder, other := workers[0], workers[1]
		if !strings.Contains(holder.out.String(), `msg="job started" task_id=`+task) {
			holder, other = other, holder
		}
		require.Contains(x, holder.out.String(), `msg="job started" task_id=`+task)
		holder.signal(syscall.SIGSTOP)
		at := time.Now()
		other.said(`msg="job done" task_id=` + task)
		x.recovered(at)
		require.NotContains(x, holder.out.String(), `msg="job done" task_id=`+task)
		x.occurred("a worker stood still by SIGSTOP for longer than its lease")
		holder.signal(syscall.SIGCONT)
		holder.said(`msg="job stopped: cancelled or taken over" task_id=` + task)
		x.occurred("fifty-one messages for one job")
		require.Equal(x, []string{"lost", "done"}, r.attempts(id))
		x.eventually(30*time.Second, "messages stay", func() bool {
			n, err := redis.LLen(x.Context(), "video_queue").Result()
			return err == nil && n == 0
		})
	}
	r.quit(workers...)

	// The worst moment: everything is stored, and the next line publishes, while
	// another worker has begun anew.
	for range rounds {
		id := u.accepted(clip)
		late := r.with("ANB_STOP_AT=publish.poster").worker()
		late.said("stop point publish.poster reached")
		at := time.Now()
		w := r.worker()
		w.said("job started")
		late.signal(syscall.SIGCONT)
		late.said("job stopped: cancelled or taken over")
		x.occurred("a worker stood still between storing and publishing, for longer than its lease")
		status, _ := u.status(id)
		require.Equal(x, "processing", status, "the late result is thrown away")
		u.processed(id)
		x.recovered(at)
		require.Equal(x, []string{"lost", "done"}, r.attempts(id))
		r.quit(w, late)
	}
	x.result.Rounds *= 2 // the two places
	r.check()
}

func poisonVideo(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	poison := u.accepted(clip)
	others := []string{u.accepted(clip), u.accepted(clip)}
	kills := 0
	w := r.worker()
	x.eventually(patience, "the poison never ends", func() bool {
		if strings.Contains(w.out.String(), `msg="job started" task_id=`) && strings.Contains(w.out.String(), "video_id="+poison) {
			w.kill()
			x.killed(w)
			kills++
			w = r.worker()
		}
		status, _ := u.status(poison)
		return status == "failed"
	})
	x.rounds(kills, kills)
	require.Equal(x, 3, kills)
	u.processed(others...)
	require.Equal(x, []string{"lost", "lost", "lost"}, r.attempts(poison))
	answer := u.call(http.MethodGet, "/api/videos/"+poison, nil)
	require.Equal(x, "POISON", answer.text("failure_code"), "%v", answer.body)
	r.quit(w)
	r.check()
}

func poisonMessages(x *experiment) {
	r := newRig(x)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 2)
	redis := r.client()
	bad := []string{
		`{bad`, `{"UUID":"1","Name":"unknown","Args":[]}`, `{"UUID":"2","Name":"process","Args":[{"Type":"int64","Value":7}]}`,
		strings.Repeat("x", 5<<20), `null`, ``,
	}
	x.rounds(1, 1)
	ids := []string{u.accepted(clip)}
	for _, m := range bad {
		require.NoError(x, redis.RPush(x.Context(), "video_queue", m).Err())
	}
	ids = append(ids, u.accepted(clip))
	at := time.Now()
	w := r.worker()
	u.processed(ids...)
	x.recovered(at)
	bus, err := taskbus.New(taskbus.Options{Redis: redis, Log: discard})
	require.NoError(x, err)
	x.eventually(30*time.Second, "bad messages stay", func() bool {
		dead, err := bus.Dead(x.Context(), "video_queue", 100)
		return err == nil && len(dead) == len(bad)
	})
	require.Zero(x, redis.LLen(x.Context(), "video_queue").Val())
	x.occurred("%d bad messages set aside", len(bad))
	r.quit(w)
	require.Equal(x, len(bad), strings.Count(w.out.String(), "message set aside"), "each once: nothing comes back again and again")
	r.check()
}

func deletedMidJob(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	w := r.worker()
	for range x.rounds(1, 5) {
		id := u.accepted(clip)
		u.midway(id)
		require.NotEmpty(x, strays(x.T, r.dir), "an encoder runs")
		require.Equal(x, http.StatusOK, u.delete(id).status)
		at := time.Now()
		requireNoStrays(x.T, r.dir, 10*time.Second)
		x.recovered(at)
		x.occurred("an encoder ran at the moment of the deletion")
		require.Equal(x, []string{"cancelled"}, r.attempts(id))
		require.Equal(x, http.StatusNotFound, u.call(http.MethodGet, "/api/videos/"+id, nil).status)
	}
	r.quit(w)
	require.Empty(x, r.files("work"))
	r.check()
}
