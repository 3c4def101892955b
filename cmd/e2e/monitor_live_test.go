//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// talkingEncoder encodes in real time, a first attempt ten times slower than
// that so that it lives until it is killed, and says something all the while.
const talkingEncoder = `rate=1; case "$*" in *-1/encode/*) rate=0.1 ;; esac
case "$*" in *libx264*)
	(i=0; while kill -0 $$ 2>/dev/null; do i=$((i+1)); echo "[libx264 @ 0x1] linea $i" >&2; sleep 0.3; done) & exec ffmpeg -readrate $rate "$@" ;;
*) exec ffmpeg "$@" ;; esac`

// mark leaves a mark that a reload would take away, and unmarked requires it.
const mark = `window.marked = true`

func (b *tab) unreloaded() {
	b.t.Helper()
	require.True(b.t, js[bool](b, `window.marked === true`), "the page was loaded again")
}

// A job, the death of its worker and what comes of it, in pages that are never
// loaded again.
func TestMonitor_Live(t *testing.T) {
	t.Parallel()
	d := newDashboard(t, slowly)
	d.encode(talkingEncoder)
	w := d.chromium(t)
	page := w.tab().signIn(viewer, "/")
	workers := w.beside(page)
	holder := d.worker()
	id := d.api.upload("En vivo", clipOf(t, 6))
	j := d.becomes(id, "running")
	page.visit(http.StatusOK, "/jobs/"+j.ID)
	workers.visit(http.StatusOK, "/workers")
	for _, b := range []*tab{page, workers} {
		js[bool](b, mark)
		b.until(`document.querySelector("#live").dataset.state === "live"`)
	}
	js[bool](page, `(() => {
		window.seen = [], window.lines = [];
		const look = () => {
			const p = document.querySelector("#live-job progress"), n = document.querySelectorAll("#log span").length;
			if (p && p.value !== seen.at(-1)) seen.push(p.value);
			if (n && n !== lines.at(-1)) lines.push(n);
		};
		new MutationObserver(look).observe(document.querySelector("#main"), {subtree: true, childList: true, attributes: true, characterData: true});
		look();
		return true;
	})()`)
	page.until(`seen.length >= 3 && lines.length >= 3`, "progress and lines of ffmpeg")
	card := `document.querySelector('[data-worker="` + j.Worker + `"] .pill').innerText`
	workers.until(card + `.includes("En línea")`)

	other := d.worker()
	workers.until(`[...document.querySelectorAll("[data-worker] .pill")].filter(p => p.innerText.includes("En línea")).length === 2`, "the new one shows up by itself")
	holder.kill()
	at := time.Now()
	workers.within(4*time.Second, card+`.includes("Sin latido")`)
	t.Logf("a killed worker was shown as late after %s; the heartbeat is 1s", time.Since(at).Round(10*time.Millisecond))
	require.True(t, slices.IsSorted(js[[]float64](page, `seen`)), "progress only rises")
	require.True(t, slices.IsSorted(js[[]int](page, `lines`)))

	successor := other.said(`msg="worker consumes" worker=([^# ]+)`)
	page.until(`document.querySelector("#live-job").innerText.includes("`+successor+`")`, "another worker takes over")
	page.until(`document.querySelector("#live-attempts").innerText.includes("perdido")`)
	d.api.processed(id, patience)
	page.until(`document.querySelector("#live-job .pill").innerText.includes("Terminada") && document.querySelector("#live-job video")`)
	require.Equal(t, []string{"lost", "done"}, d.attempts(id))
	require.Contains(t, js[string](page, `document.querySelector("#live-attempts pre").textContent`), "linea 2", "what the dead one's ffmpeg said stays")
	require.Contains(t, js[string](page, `document.querySelector("#log").textContent`), "linea 2", "of the second")
	page.unreloaded()
	workers.unreloaded()
	t.Run("changes reach the screen soon", func(t *testing.T) {
		d.during(t, page)
		d.latency(page)
	})
}

// latency measures how long it takes from a change in the database to the
// screen.
func (d *dashboard) latency(b *tab) {
	const changes = 20
	d.exec(`INSERT INTO jobs (id, video_id, queue, state, max_attempts, run_after, created_at, finished_at)
		SELECT gen_random_uuid(), gen_random_uuid(), 'latency', 'cancelled', 3, now(), now(), now() FROM generate_series(1, ?)`, changes)
	b.visit(http.StatusOK, "/jobs?q=queue:latency")
	b.until(`document.querySelectorAll("tr[data-row]").length === 20 && document.querySelector("#live").dataset.state === "live"`)
	js[bool](b, `(() => {
		window.shown = {};
		new MutationObserver(() => {
			for (const m of document.body.innerText.matchAll(/change-\d+-/g)) shown[m[0]] ??= Date.now();
		}).observe(document.querySelector(".list"), {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	sent := make([]time.Time, changes)
	tick := time.NewTicker(173 * time.Millisecond) // not in step with the dashboard's looks
	defer tick.Stop()
	d.inDatabase(func(db *database.DB) {
		for i := range changes {
			<-tick.C
			sent[i] = time.Now()
			require.NoError(d.t, db.Write(d.t.Context()).Exec(`UPDATE jobs SET reason = ? WHERE id =
				(SELECT id FROM jobs WHERE queue = 'latency' AND reason = '' LIMIT 1)`, fmt.Sprintf("change-%d-", i)).Error)
		}
	})
	b.until(`Object.keys(shown).length === 20`)
	shown := js[map[string]float64](b, `shown`)
	took := make([]time.Duration, changes)
	for i := range sent {
		took[i] = time.UnixMilli(int64(shown[fmt.Sprintf("change-%d-", i)])).Sub(sent[i])
	}
	slices.Sort(took)
	d.t.Logf("from the database to the screen: p50 %s, p95 %s, longest %s of %d", took[changes/2].Round(time.Millisecond),
		took[changes*95/100-1].Round(time.Millisecond), took[changes-1].Round(time.Millisecond), changes)
	require.Less(d.t, took[changes*95/100-1], 5*time.Second, strings.TrimSpace(fmt.Sprint(took)))
}
