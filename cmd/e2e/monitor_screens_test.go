//go:build e2e

package e2e

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

var screens = flag.String("monitor.screens", "", "the folder into which TestMonitor_Screens puts pictures of the dashboard")

// scenes are titles with pictures that ffmpeg draws, to tell videos apart.
var scenes = [][2]string{
	{"Triple en el último segundo", "mandelbrot=s=1280x720:r=10"},
	{"Asistencia sin mirar", "testsrc2=s=1280x720:r=10"},
	{"Bloqueo a dos manos", "gradients=s=1280x720:r=10:c0=0x1d3557:c1=0xe63946:nb_colors=2:speed=0.05"},
	{"Tiro libre bajo presión", "smptehdbars=s=1280x720:r=10"},
	{"Contraataque y bandeja", "gradients=s=1280x720:r=10:c0=0x0b3d2e:c1=0xf2a900:nb_colors=2:speed=0.02"},
	{"Crossover en media cancha", "gradients=s=1280x720:r=10:c0=0x3a0ca3:c1=0x4cc9f0:nb_colors=2:speed=0.03"},
}

// Pictures of the dashboard for the documentation: of real runs, but for the
// history in the charts, which nobody wants to wait for.
func TestMonitor_Screens(t *testing.T) {
	t.Parallel()
	if *screens == "" {
		t.Skip("there is no folder for the pictures: -monitor.screens")
	}
	d := newDashboard(t, "ANB_ENCODER_WIDTH=1280", "ANB_ENCODER_HEIGHT=720", "ANB_ENCODER_CLIP_LENGTH=12s", "ANB_ENCODER_CARD_LENGTH=1s", "ANB_PROCESSING_HEARTBEAT=1s",
		"ANB_MONITOR_LABEL=DEMO", "ANB_PROCESSING_MAX_ATTEMPTS=2", "ANB_UPLOAD_PER_PLAYER=0")
	d.history()
	players := []*client{d.api.as(""), d.api.as(""), d.api.as("")}
	for i, who := range [][2]string{{"Camila", "Medellín"}, {"Samuel", "Bogotá"}, {"Luisa", "Barranquilla"}} {
		players[i] = players[i].join(who[0], who[1])
	}
	first, second := d.started(), d.started()
	n := 0
	upload := func(title, source string, seconds float64) string {
		n++
		return players[n%len(players)].upload(title, ffmpegtest.Clip(t, ffmpegtest.Spec{
			Source: source, Seconds: seconds, Output: []string{"-t", strconv.FormatFloat(seconds, 'f', -1, 64)}}))
	}
	var best string
	for _, x := range scenes {
		best = upload(x[0], x[1], 6)
	}
	d.becomes(best, "done")
	d.settled()
	d.encode(failEncoder)
	var dead string
	for _, title := range []string{"Robo y clavada", "Pase de faja", "Rebote ofensivo"} {
		dead = upload(title, scenes[1][1], 6)
	}
	d.settled()
	d.encode(`case "$*" in *libx264*) echo "[libx264 @ 0x5581] malloc of size 12441600 failed: Cannot allocate memory" >&2; exit 137 ;; esac; exec ffmpeg "$@"`)
	upload("Triple doble en cuartos de final", scenes[1][1], 6)
	d.settled()
	d.encode(`case "$*" in *libx264*) exec ffmpeg -readrate 0.15 "$@" ;; *) exec ffmpeg "$@" ;; esac`)
	for _, title := range []string{"Salto entre dos", "Finta y paso atrás", "Alley-oop en transición", "Tapón limpio", "Canasta desde la esquina"} {
		upload(title, scenes[2][1], 12)
	}
	b := d.chromium(t).tab().signIn(admin, "/")
	b.until(`document.querySelectorAll(".running progress").length >= 2 && [...document.querySelectorAll(".running progress")].every(p => p.value > 8)`)
	running := js[string](b, `document.querySelector(".running a.title").getAttribute("href")`)
	pages := map[string]string{"overview": "/", "jobs": "/jobs", "job": running, "done": "/jobs/" + d.job(best).ID, "failed": "/jobs/" + d.job(dead).ID, "queues": "/queues", "workers": "/workers", "dead": "/dead"}
	for name, path := range pages {
		b.size(1180, 760)
		b.visit(http.StatusOK, path)
		b.until(`document.querySelector("#live").dataset.state === "live" && [...document.images].every(i => i.complete)`)
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.picture(name + "-" + scheme)
		}
		b.scheme("light")
		b.size(390, 780)
		b.picture(name + "-phone")
	}
	first.kill()
	second.kill()
}

func (d *dashboard) started() *process { return d.worker("--concurrency=1") }

// settled waits until no job is active.
func (d *dashboard) settled() {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		for _, v := range []string{"queued", "running", "retrying"} {
			if d.count(v) > 0 {
				return false
			}
		}
		return true
	}, patience, 100*time.Millisecond, "jobs never end")
}

// picture takes one of what can be seen.
func (b *tab) picture(name string) {
	b.t.Helper()
	quality := int64(62)
	res, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatJpeg, Quality: &quality})
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(*screens, 0o750))
	require.NoError(b.t, os.WriteFile(filepath.Join(*screens, name+".jpg"), res.Data, 0o640))
}

// history makes up the last hour.
func (d *dashboard) history() {
	d.exec(`INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms, wait_p50_ms, wait_p95_ms, run_p50_ms, run_p95_ms)
		SELECT 'video_queue', 'minute', date_trunc('minute', now()) - i * interval '1 minute', 3 + (i * 7) % 5 + CASE WHEN i BETWEEN 20 AND 32 THEN 6 ELSE 0 END, 4 + (i * 5) % 4, 4 + (i * 3) % 5,
			CASE WHEN i % 11 = 0 THEN 2 ELSE 0 END, greatest(0, 24 - abs(i - 22)) + i % 3, 2, greatest(1, 24 - abs(i - 20)) * 2500, 900 + (i * 37) % 700 + greatest(0, 20 - abs(i - 22)) * 900,
			4000 + (i * 91) % 2500 + greatest(0, 22 - abs(i - 22)) * 2100, 5200 + (i * 53) % 1400, 8800 + (i * 71) % 3600
		FROM generate_series(1, 58) i`)
}
