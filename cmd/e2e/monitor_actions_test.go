//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each order is given on a page, and its effect is looked for elsewhere.
func TestMonitor_Actions(t *testing.T) {
	t.Parallel()
	d := newDashboard(t, slowly, "ANB_PROCESSING_MAX_ATTEMPTS=1")
	work := d.worker("--concurrency=1")
	b := d.chromium(t).tab().signIn(operator, "/")
	clip, short := clipOf(t, 6), clipOf(t, 1)
	steps := []struct {
		name string
		do   func(t *testing.T)
	}{
		{"cancel ends ffmpeg, its files and the video", func(t *testing.T) { d.cancelRunning(t, b, clip) }},
		{"retry, clicked twice, has a dead job done once", func(t *testing.T) { d.retryDead(t, b, short) }},
		{"discard takes a job off the list, with a reason", func(t *testing.T) { d.discardDead(t, b, short) }},
		{"a paused queue is left alone until it is resumed", func(t *testing.T) { d.pauseQueue(t, b, short) }},
		{"a draining worker finishes and takes nothing until it is resumed", func(t *testing.T) { d.drainWorker(t, b, short) }},
		{"more slots are more encoders at once", func(t *testing.T) { d.moreSlots(t, b, short) }},
		{"a group of the dead is retried after a preview", func(t *testing.T) { d.retryGroup(t, b, short) }},
		{"what was cancelled in bulk is given back", func(t *testing.T) { d.undoBulk(t, b, short) }},
	}
	for _, s := range steps {
		if !t.Run(s.name, func(t *testing.T) { d.during(t, b); s.do(t) }) {
			return // the next ones would not know what they find
		}
	}
	work.signal(sigterm)
	require.Zero(t, work.wait(time.Minute))
}

func (d *dashboard) cancelRunning(t *testing.T, b *tab, clip string) {
	d.encode(slowEncoder)
	id := d.api.upload("Se cancela", clip)
	d.api.midway(id)
	require.NotEmpty(t, strays(t, d.dir), "an encoder runs")
	require.NotEmpty(t, d.scratch())
	j := d.job(id)
	b.visit(http.StatusOK, "/jobs/"+j.ID)
	b.click(`form[action$="/cancel"] button`)
	b.until(`location.search === "?done=job.cancel"`)
	requireNoStrays(t, d.dir, 10*time.Second)
	require.Equal(t, j.ID, d.becomes(id, "cancelled").ID)
	v := d.api.video(id)
	require.Equal(t, "failed", v["status"])
	require.Equal(t, "CANCELLED", v["failure_code"])
	require.Eventually(t, func() bool { return len(d.scratch()) == 0 }, 5*time.Second, 50*time.Millisecond, "scratch files stay")
	require.Equal(t, []string{"cancelled"}, d.attempts(id))
	require.Equal(t, []string{"olga job.cancel done"}, d.audited(j.ID))
	b.until(`document.querySelector("#live-job .pill").innerText.includes("Cancelada")`)
}

func (d *dashboard) retryDead(t *testing.T, b *tab, clip string) {
	d.encode(failEncoder)
	id := d.api.upload("Se reintenta", clip)
	j := d.becomes(id, "dead")
	d.goOn()
	b.visit(http.StatusOK, "/jobs/"+j.ID)
	b.twice(`form[action$="/retry"] button`)
	d.becomes(id, "done")
	require.Equal(t, "processed", d.api.video(id)["status"])
	require.Equal(t, []string{"failed", "done"}, d.attempts(id))
	require.Equal(t, []string{"olga job.retry done"}, d.audited(j.ID), "a double click is one retry")
	b.until(`document.querySelector("#live-job .pill")?.innerText.includes("Terminada")`)
}

func (d *dashboard) discardDead(t *testing.T, b *tab, clip string) {
	d.encode(failEncoder)
	id := d.api.upload("Se descarta", clip)
	j := d.becomes(id, "dead")
	b.visit(http.StatusOK, "/jobs/"+j.ID)
	b.click(`form[action$="/discard"] button`)
	require.Equal(t, "/jobs/"+j.ID, js[string](b, `location.pathname`))
	require.Empty(t, d.audited(j.ID), "a reason is required")
	b.fill(`form[action$="/discard"] input[name=reason]`, "archivo de prueba")
	b.click(`form[action$="/discard"] button`)
	b.until(`location.search === "?done=job.discard"`)
	require.True(t, d.job(id).Discarded)
	require.Equal(t, []string{"olga job.discard done archivo de prueba"}, d.audited(j.ID))
	require.Equal(t, "failed", d.api.video(id)["status"])
	b.visit(http.StatusOK, "/dead")
	b.until(`document.querySelector("#live-dead").innerText.includes("Ninguna tarea muerta")`)
}

func (d *dashboard) pauseQueue(t *testing.T, b *tab, clip string) {
	d.encode(plainEncoder)
	d.order(b, "/queues", `form[action="/queues/video_queue/pause"]`, "reason", "disco lleno")
	id := d.api.upload("Espera", clip)
	d.untaken(t, id)
	b.until(`document.querySelector("[data-queue=video_queue]").innerText.includes("disco lleno")`)
	b.until(`document.querySelector("[data-queue=video_queue] td").innerText === "1"`, "one waits")
	d.order(b, "/queues", `[data-queue] form[action="/queues/video_queue/resume"]`)
	d.api.processed(id, patience)
	require.Equal(t, []string{"olga queue.pause done disco lleno", "olga queue.resume done"}, d.audited("video_queue"))
}

func (d *dashboard) drainWorker(t *testing.T, b *tab, clip string) {
	d.encode(restEncoder)
	first := d.api.upload("Termina", clip)
	worker := d.becomes(first, "running").Worker
	d.order(b, "/workers", `form[action$="/drain"]`)
	b.until(`document.querySelector("[data-worker] .pill").innerText.includes("Vaciándose")`)
	second := d.api.upload("Espera al trabajador", clip)
	d.goOn()
	d.api.processed(first, patience)
	d.untaken(t, second)
	d.order(b, "/workers", `form[action$="/resume"]`)
	d.api.processed(second, patience)
	require.Equal(t, worker, d.job(second).Worker, "the same process goes on")
	require.Equal(t, []string{"olga worker.drain done", "olga worker.resume done"}, d.audited(worker))
}

func (d *dashboard) moreSlots(t *testing.T, b *tab, clip string) {
	d.encode(restEncoder)
	ids := []string{d.api.upload("Uno", clip), d.api.upload("Dos", clip)}
	require.Eventually(t, func() bool { return d.encoders() == 1 }, patience, 50*time.Millisecond)
	d.untaken(t, ids[1])
	d.order(b, "/workers", `form[action$="/scale"]`, "slots", "2")
	require.Eventually(t, func() bool { return d.encoders() == 2 }, 20*time.Second, 50*time.Millisecond, "two at once")
	b.until(`document.querySelector("[data-worker] .gauge").innerText === "■■"`)
	d.goOn()
	for _, id := range ids {
		d.api.processed(id, patience)
	}
}

func (d *dashboard) retryGroup(t *testing.T, b *tab, clip string) {
	d.encode(failEncoder)
	var ids []string
	for range 3 {
		ids = append(ids, d.api.upload("En grupo", clip))
	}
	for _, id := range ids {
		d.becomes(id, "dead")
	}
	d.goOn()
	b.visit(http.StatusOK, "/dead")
	b.until(`document.querySelector("[data-group]")?.querySelector("td.num").innerText === "3"`, "one cause")
	b.click(`[data-group] a[href^="/bulk?action=retry"]`)
	b.until(`document.querySelector("#preview")?.innerText === "3"`)
	b.twice(`main form button`)
	b.until(`location.pathname.startsWith("/operations/")`)
	b.until(`document.querySelector("[data-op]").innerText.includes("3/3") && document.querySelector("[data-op]").innerText.includes("hecho")`)
	for _, id := range ids {
		d.api.processed(id, patience)
		require.Equal(t, []string{"failed", "done"}, d.attempts(id))
	}
	require.Equal(t, 1, d.operations("retry"), "a double click is one operation")
}

func (d *dashboard) undoBulk(t *testing.T, b *tab, clip string) {
	d.encode(plainEncoder)
	d.order(b, "/queues", `form[action="/queues/video_queue/pause"]`, "reason", "prueba")
	var ids []string
	for range 3 {
		ids = append(ids, d.api.upload("Vuelve", clip))
	}
	b.visit(http.StatusOK, "/jobs?q=state:waiting")
	require.Equal(t, 3, js[int](b, `document.querySelectorAll("input[name=id]").length`))
	b.click(`input[name=all]`)
	b.click(`button[name=action][value=cancel]`)
	b.until(`document.querySelector("#preview")?.innerText === "3"`)
	b.fill(`input[name=reason]`, "me equivoqué")
	b.click(`main form button`)
	b.until(`document.querySelector("[data-op]")?.innerText.includes("hecho")`)
	for _, id := range ids {
		d.becomes(id, "cancelled")
		require.Equal(t, "failed", d.api.video(id)["status"])
	}
	b.click(`form[action$="/undo"] button`)
	b.until(`document.querySelector("h1").innerText === "Reintentar varias" && document.querySelector("[data-op]").innerText.includes("3/3")`)
	for _, id := range ids {
		d.becomes(id, "queued")
		require.Equal(t, "uploaded", d.api.video(id)["status"])
	}
	d.order(b, "/queues", `[data-queue] form[action="/queues/video_queue/resume"]`)
	for _, id := range ids {
		d.api.processed(id, patience)
	}
	require.Equal(t, 1, d.operations("cancel"))
	require.Equal(t, 2, d.operations("retry"))
}

// order submits a form of a page, with values for its fields, and requires that
// the next page says that it was done.
func (d *dashboard) order(b *tab, path, form string, fields ...string) {
	b.t.Helper()
	b.visit(http.StatusOK, path)
	for i := 0; i < len(fields); i += 2 {
		b.fill(form+" input[name="+fields[i]+"]", fields[i+1])
	}
	b.click(form + " button")
	b.until(`location.search.startsWith("?done=") && document.querySelector(".flash")?.innerText.includes("✔")`)
}

// untaken requires that a job waits although workers look for jobs meanwhile.
func (d *dashboard) untaken(t *testing.T, video string) {
	t.Helper()
	require.Never(t, func() bool { return d.job(video).Attempt > 0 }, 1500*time.Millisecond, 100*time.Millisecond, "somebody took the job")
}
