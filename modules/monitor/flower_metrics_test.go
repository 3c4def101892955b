package monitor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// flowerScrape returns the lines about Flower's metrics.
func flowerScrape(t *testing.T, r *prometheus.Registry) (out []string) {
	t.Helper()
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "flower_") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func TestFlowerMetrics_TellWhatWorkersDoAndCountEachRunOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		w.change = func(c *Config) { c.FlowerMetrics = true }
		w.restart()
		r := prometheus.NewPedanticRegistry()
		x := newExporter(w.m)
		require.NoError(t, r.Register(x))
		w.m.collector.ran = x.flower.see
		w.worker("well", 0, 2)
		w.worker("silent", 2*testHeartbeat, 2)
		w.add(seed{state: "running", worker: "well"})
		w.add(seed{state: "done", worker: "well", made: time.Now().Add(-time.Minute)})
		look := func() []string {
			w.m.collector.slow.at = time.Time{} // ten seconds have passed
			w.look()
			return flowerScrape(t, r)
		}
		lines := look()
		for _, want := range []string{
			`flower_events_total{task="process",type="task-succeeded",worker="well"} 4`, `flower_events_total{task="process",type="task-failed",worker="well"} 1`,
			`flower_task_prefetch_time_seconds{task="process",worker="well"} 0`, `flower_worker_prefetched_tasks{task="process",worker="well"} 0`,
			`flower_worker_online{worker="well"} 1`, `flower_worker_online{worker="silent"} 0`,
			`flower_worker_number_of_currently_executing_tasks{worker="well"} 1`,
		} {
			require.Contains(t, lines, want)
		}
		require.NotContains(t, strings.Join(lines, "\n"), "flower_task_runtime_seconds", "the past is another's")
		id := w.add(seed{state: "done", worker: "well", made: time.Now()})
		w.exec("UPDATE job_attempts SET finished_at = ? WHERE job_id = ?", database.At(time.Now().Add(4*time.Second)), id)
		for range 3 {
			lines = look()
		}
		require.Contains(t, lines, `flower_task_runtime_seconds_count{task="process",worker="well"} 1`)
		require.Contains(t, lines, `flower_task_runtime_seconds_bucket{task="process",worker="well",le="2"} 0`)
		require.Contains(t, lines, `flower_task_runtime_seconds_bucket{task="process",worker="well",le="5"} 1`)
		w.exec("DELETE FROM workers")
		require.Empty(t, look(), "workers that are no more have no series")
	})
}

func TestFlowerMetrics_AreOnlyThereWhenAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	w.worker("well", 0, 2)
	w.look()
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(newExporter(w.m)))
	require.Empty(t, flowerScrape(t, r))
}
