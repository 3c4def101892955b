package monitor

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

var buffers = regexp.MustCompile(`(?m)^\s*Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?`)

// touched is how many blocks of 8 KiB the database touches for what f sends: what
// it costs, whatever else the machine does meanwhile.
func touched(t *testing.T, w *world, f func()) (sum int64) {
	t.Helper()
	pool, err := w.db.SQL()
	require.NoError(t, err)
	for _, s := range dbtest.Statements(t, w.db, f) {
		rows, err := pool.QueryContext(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) "+s.SQL, s.Args...)
		require.NoError(t, err, s.SQL)
		var plan strings.Builder
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			fmt.Fprintln(&plan, line)
		}
		require.NoError(t, rows.Err())
		m := buffers.FindStringSubmatch(plan.String()) // the topmost step has the sum
		require.NotNil(t, m, plan.String())
		for _, n := range m[1:] {
			if n != "" {
				k, err := strconv.ParseInt(n, 10, 64)
				require.NoError(t, err)
				sum += k
			}
		}
	}
	return sum
}

// searches are those of pages whose cost must not grow with the number of jobs.
var searches = []string{"", "state:dead", "state:waiting", "state:done", "-state:done", "queue:video_queue", "queue:video_queue state:dead,waiting", "age>1h", "age<1h"}

// costs are the pages of the Jobs page for each search.
func costs(t *testing.T, w *world) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, s := range searches {
		f := w.query("%s", s)
		out[s] = touched(t, w, func() {
			_, _, _, err := w.m.store.list(t.Context(), f, page{limit: perPage}, time.Now())
			require.NoError(t, err)
			_, err = w.m.store.counts(t.Context(), f)
			require.NoError(t, err)
		})
	}
	return out
}

func TestScale_TheJobsPageOfAMillionCostsHardlyMoreThanThatOf100000(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Postgres(t))
	fill(w, 100_000)
	few := costs(t, w)
	refill(w, 1_000_000)
	many := costs(t, w)
	for _, s := range searches {
		t.Logf("%-28q %6d pages, of a million %6d: %.2f", s, few[s], many[s], float64(many[s])/float64(few[s]))
		require.LessOrEqual(t, float64(many[s]), 1.5*float64(few[s])+50, s)
	}
	dbtest.RequireIndexed(t, w.db, func() {
		w.look()
		for _, s := range searches {
			f := w.query("%s", s)
			_, _, _, err := w.m.store.list(t.Context(), f, page{limit: perPage}, time.Now())
			require.NoError(t, err)
			_, err = w.m.store.counts(t.Context(), f)
			require.NoError(t, err)
		}
	}, "jobs", "j", "videos", "v", "job_attempts", "a")
	for _, path := range []string{
		"/jobs", "/jobs?q=state%3Adead", "/jobs?q=worker%3Ahost-1-7", "/jobs?q=error%3Atimeout", "/jobs?q=user%3Ap17%40example.com", "/jobs?q=queue%3Arare", "/",
	} {
		began := time.Now()
		require.Equal(t, 200, w.get("vera", path).Code)
		t.Log(path, time.Since(began))
	}
}

// refill replaces all jobs by n others.
func refill(w *world, n int) {
	w.t.Helper()
	w.exec("TRUNCATE jobs, job_attempts, videos, users CASCADE")
	fill(w, n)
}
