//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

func startFaults() []faultCase {
	return []faultCase{
		{"F36", "wrong settings, a storage that cannot be used, a database and a Redis that are not there yet", "a sentence and an exit code; what is away is waited for, and nothing starts in between", true, startsBadly},
		{"R7c", "a fetch loop that is stuck although Redis answers", "noticed, and the worker ends with 1, so that its supervisor starts another", false, fetchLoopStuck},
	}
}

func startsBadly(x *experiment) {
	r := newRig(x)
	x.rounds(1, 1)
	file := filepath.Join(r.dir, "a-file")
	require.NoError(x, os.WriteFile(file, nil, 0o600))
	short := filepath.Join(r.dir, "short")
	require.NoError(x, os.WriteFile(short, []byte("too short"), 0o600))
	for _, c := range []struct {
		role, setting, says string
		code                int
	}{
		{"serve", "ANB_STORAGE_ORIGINALS=" + file, file, 1},
		{"serve", "ANB_STORAGE_PROCESSED=/proc/nowhere", "/proc/nowhere", 1},
		{"work", "ANB_PROCESSING_WORK_DIR=" + file + "/x", "a-file", 1},
		{"work", "ANB_STORAGE_PROCESSED=" + file, file, 1},
		{"serve", "ANB_AUTH_JWT_SECRET_FILE=" + short, "ANB_AUTH_JWT_SECRET", 2},
		{"serve", "ANB_DATABASE_QUERY_TIMEOUT=5", "query_timeout", 2},
		{"serve", "ANB_HTTP_ADDR=nowhere", "ANB_HTTP_ADDR", 2},
		{"serve", "DATABASE_URL=mysql://x", "postgres://", 2},
		{"work", "ANB_UNKNOWN=1", "ANB_UNKNOWN", 2},
		{"work", "ANB_FFMPEG_FFMPEG=/nowhere/ffmpeg", "/nowhere/ffmpeg", 1},
	} {
		p := r.with(c.setting).run(c.role)
		require.Equal(x, c.code, p.wait(time.Minute), "%s with %s: %s", c.role, c.setting, p.out)
		require.Contains(x, p.out.String(), c.says)
		require.NotContains(x, p.out.String(), "serving the API")
		x.occurred("%s with %s ended with %d", c.role, strings.Split(c.setting, "=")[0], c.code)
	}

	r.db.cut()
	r.bus.cut()
	api, worker := r.run("serve"), r.run("work")
	for _, p := range []*process{api, worker} {
		p.said(`waiting for database.*again_in=400ms`) // the third time, so the pause has grown
		require.NotContains(x, p.out.String(), "serving the API")
		require.NotContains(x, p.out.String(), "worker consumes")
	}
	x.occurred("the database was refused three times")
	r.db.mend()
	at := time.Now()
	u := r.book.join(api.base(), "ana")
	require.Equal(x, "degraded", u.call(http.MethodGet, "/readyz", nil).text("status"))
	x.recovered(at)
	r.bus.mend()
	at = time.Now()
	u.processed(u.accepted(clipOf(x.T, 2)))
	x.recovered(at)
	r.quit(worker, api)
	r.check()
}

func fetchLoopStuck(x *experiment) {
	r := newRig(x, "ANB_WORK_DRAIN=1s")
	u := r.book.join(r.serve().base(), "ana")
	x.rounds(1, 1)
	stuck := r.with("ANB_STALL_AT=fetch.next").run("work")
	stuck.said("stall point fetch.next reached")
	at := time.Now()
	id := u.accepted(clipOf(x.T, 2))
	require.Equal(x, 1, stuck.wait(patience))
	require.Contains(x, stuck.out.String(), "the consumer has stopped fetching although Redis answers")
	x.occurred("the loop stood still; the worker ended with 1 after %.0f s", time.Since(at).Seconds())
	status, _ := u.status(id)
	require.Equal(x, "uploaded", status)
	r.finish()
	x.recovered(at)
	r.check()
}
