//go:build e2e

package e2e

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

func busFaults() []faultCase {
	return []faultCase{
		{"F3", "Redis shut down and started again while jobs run and uploads come", "nothing is lost, the worker consumes again without a restart", true, redisRestarted},
		{"F4", "FLUSHALL while jobs run and others wait", "every waiting job is found by the sweeper; votes are untouched", false, redisFlushed},
		{"F5", "Redis unreachable while people upload, log in and vote", "201 for the upload, nobody notices; the video is processed when Redis is back", false, redisAway},
	}
}

func redisRestarted(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	clip := clipOf(x.T, 6)
	w := r.worker()
	for range x.rounds(1, 3) {
		ids := []string{u.accepted(clip), u.accepted(clip)}
		u.midway(ids[0])
		r.redis.Stop()
		ids = append(ids, u.accepted(clip))
		require.Equal(x, "degraded", u.call(http.MethodGet, "/readyz", nil).text("status"))
		x.occurred("/readyz named Redis while its process was gone")
		u.processed(ids[0]) // what runs goes on without Redis
		r.redis.Restart()
		at := time.Now()
		u.processed(ids[1])
		require.Less(x, x.recovered(at), 30*time.Second+6*time.Second, "the job itself takes six")
		u.processed(ids[2])
		for _, id := range ids {
			require.Equal(x, []string{"done"}, r.attempts(id))
		}
	}
	r.quit(w)
	r.check()
}

func redisFlushed(x *experiment) {
	r := newRig(x, slowly)
	r.encode(slowEncoder)
	u := r.book.join(r.serve().base(), "ana")
	clip := clipOf(x.T, 6)
	redis := r.client()
	w := r.worker()
	published := u.accepted(clip)
	u.processed(published)
	require.Equal(x, http.StatusOK, u.vote(published).status)
	for range x.rounds(1, 3) {
		ids := []string{u.accepted(clip), u.accepted(clip), u.accepted(clip)}
		u.midway(ids[0])
		before := redis.DBSize(x.Context()).Val()
		require.NotZero(x, redis.LLen(x.Context(), "video_queue").Val(), "messages wait")
		require.NoError(x, redis.FlushAll(x.Context()).Err())
		at := time.Now()
		require.NotZero(x, before)
		x.occurred("keys and waiting messages were there, and removed")
		u.processed(ids...)
		x.recovered(at)
	}
	r.quit(w)
	r.check()
}

func redisAway(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	r.settle(api, u)
	clip := clipOf(x.T, 2)
	w := r.worker()
	published := u.accepted(clip)
	u.processed(published)
	x.rounds(1, 1)
	away := 3 * time.Second
	if full() {
		away = 30 * time.Second
	}
	r.bus.cut()
	began := time.Now()
	var ids []string
	x.eventually(away+time.Minute, "Redis should be away for longer", func() bool {
		ids = append(ids, u.accepted(clip))
		other := r.book.join(u.base, "luis") // signs up and logs in
		require.Equal(x, http.StatusOK, other.vote(published).status)
		return time.Since(began) > away
	})
	api.said("wake-up failed")
	w.said("pop failed|acknowledgement failed")
	require.Equal(x, "degraded", u.call(http.MethodGet, "/readyz", nil).text("status"))
	x.occurred("wake-ups and the worker's own requests failed for %s", away)
	r.bus.mend()
	at := time.Now()
	u.until(ids[0], 10*time.Second, "processing", "processed")
	u.processed(ids[0])
	x.recovered(at)
	u.processed(ids...)
	r.quit(w)
	r.check()
}
