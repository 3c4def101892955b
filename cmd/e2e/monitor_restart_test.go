//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// numbers are those of the charts' tables: series and time to value.
const numbers = `Object.fromEntries([...document.querySelectorAll("td[data-at]")].map((e, i) => [e.closest("figure, div").querySelector("title")?.textContent + " " + e.dataset.series + " " + e.dataset.at, e.dataset.value ?? "–"]))`

func TestMonitor_Restart(t *testing.T) {
	t.Parallel()
	d := newDashboard(t)
	d.exec(`INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms, wait_p50_ms, wait_p95_ms, run_p50_ms, run_p95_ms)
		SELECT 'video_queue', 'minute', date_trunc('minute', now()) - i * interval '1 minute', i % 7, i % 5, i % 6, i % 2, i % 9, i % 3, i * 100, i * 10, i * 20, i * 30, i * 40
		FROM generate_series(2, 50) i`)
	work := d.worker()
	b := d.chromium(t).tab().signIn(viewer, "/")
	js[bool](b, mark)
	b.until(`document.querySelector("#live").dataset.state === "live"`)
	before := js[map[string]string](b, numbers)
	require.Greater(t, len(before), 300)

	// Everybody asks while it dies.
	var asking sync.WaitGroup
	end := make(chan struct{})
	for range 4 {
		v := d.visitor().signIn(viewer)
		asking.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-end:
					return
				case <-tick.C:
					if res, err := v.http.Get(v.base + "/jobs"); err == nil { // refused for a while
						_ = res.Body.Close()
					}
				}
			}
		})
	}
	address := strings.TrimPrefix(d.base, "http://")
	d.monitor.kill()
	b.within(10*time.Second, `document.querySelector("#live").dataset.state === "lost" && document.querySelector("#live").innerText.includes("sin conexión")`)
	d.watch("ANB_MONITOR_ADDR=" + address)
	at := time.Now()
	b.within(20*time.Second, `document.querySelector("#live").dataset.state === "live" && document.querySelector("#live").innerText === "en vivo"`)
	t.Logf("the page was live again %s after the restart", time.Since(at).Round(10*time.Millisecond))
	id := d.api.upload("Después", clipOf(t, 1))
	d.api.processed(id, patience)
	b.until(`document.querySelector(".strip").innerText.match(/^1\s*hechas hoy/m)`, "what happens since is shown")
	b.unreloaded()
	close(end)
	asking.Wait()

	b.visit(http.StatusOK, "/")
	after := js[map[string]string](b, numbers)
	for k, v := range before {
		require.Equal(t, v, after[k], "%s", k)
	}
	require.Positive(t, b.forgive("net::ERR_"), "it was away")
	work.signal(sigterm)
	require.Zero(t, work.wait(time.Minute))
}
