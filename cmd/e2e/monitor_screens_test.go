//go:build e2e && screens

package e2e

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"os/exec"
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
	{"Contraataque y bandeja", "gradients=s=1280x720:r=10:c0=0x0b3d2e:c1=0xf2a900:nb_colors=2:speed=0.02"},
	{"Crossover en media cancha", "gradients=s=1280x720:r=10:c0=0x3a0ca3:c1=0x4cc9f0:nb_colors=2:speed=0.03"},
	{"Tiro libre bajo presión", "smptehdbars=s=1280x720:r=10"},
}

// Pictures of the dashboard for the documentation: of real runs, but for the
// history in the charts, which nobody wants to wait for.
func TestMonitor_Screens(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, *screens, "-monitor.screens")
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
	d.encode(failEncoder)
	for _, title := range []string{"Robo y clavada", "Pase de faja", "Rebote ofensivo"} {
		upload(title, scenes[1][1], 6)
	}
	d.settled()
	d.encode(`case "$*" in *libx264*) echo "[libx264 @ 0x5581] malloc of size 12441600 failed: Cannot allocate memory" >&2; exit 137 ;; esac; exec ffmpeg "$@"`)
	upload("Triple doble en cuartos de final", scenes[1][1], 6)
	d.settled()
	d.encode(plainEncoder)
	var best string
	for _, x := range scenes {
		best = upload(x[0], x[1], 6)
	}
	d.settled()
	require.Equal(t, "done", d.job(best).State)
	d.encode(`case "$*" in *libx264*) exec ffmpeg -readrate 0.15 "$@" ;; *) exec ffmpeg "$@" ;; esac`)
	for _, title := range []string{"Salto entre dos", "Finta y paso atrás", "Alley-oop en transición"} {
		upload(title, scenes[2][1], 12)
	}
	b := d.chromium(t).tab().signIn(admin, "/")
	b.until(`document.querySelectorAll(".running progress").length >= 2 && [...document.querySelectorAll(".running progress")].every(p => p.value > 8)`)
	for _, p := range []struct {
		name, path string
		height     int64
	}{
		{"overview", "/", 960}, {"jobs", "/jobs", 760}, {"job", "/jobs/" + d.job(best).ID, 760},
		{"queues", "/queues", 340}, {"workers", "/workers", 640}, {"dead", "/dead", 540},
	} {
		b.size(1180, p.height)
		b.visit(http.StatusOK, p.path)
		b.until(`document.querySelector("#live").dataset.state === "live" && [...document.images].every(i => i.complete)`)
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.picture(p.name + "-" + scheme)
		}
		b.scheme("light")
		b.size(390, 780)
		b.picture(p.name + "-phone")
	}
	first.kill()
	second.kill()
}

func (d *dashboard) started() *process { return d.worker("--concurrency=1") }

// settled waits until no job is active.
func (d *dashboard) settled() {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return d.active() == 0 }, patience, 100*time.Millisecond, "jobs never end")
}

// picture takes one of what can be seen, of few colours.
func (b *tab) picture(name string) {
	b.t.Helper()
	res, err := chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(*screens, 0o750))
	cmd := exec.Command("ffmpeg", "-v", "error", "-y", "-f", "png_pipe", "-i", "-", "-filter_complex",
		"split[a][b];[a]palettegen=max_colors=32:stats_mode=full[p];[b][p]paletteuse=dither=none", "-compression_level", "100", "-pred", "mixed", filepath.Join(*screens, name+".png"))
	cmd.Stdin = bytes.NewReader(res.Data)
	out, err := cmd.CombinedOutput()
	require.NoError(b.t, err, "%s", out)
}

// history makes up the last hour.
func (d *dashboard) history() {
	d.exec(`INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms, wait_p50_ms, wait_p95_ms, run_p50_ms, run_p95_ms)
		SELECT 'video_queue', 'minute', date_trunc('minute', now()) - i * interval '1 minute', 3 + (i * 7) % 5 + CASE WHEN i BETWEEN 20 AND 32 THEN 6 ELSE 0 END, 4 + (i * 5) % 4, 4 + (i * 3) % 5,
			CASE WHEN i % 11 = 0 THEN 2 ELSE 0 END, greatest(0, 24 - abs(i - 22)) + i % 3, 2, greatest(1, 24 - abs(i - 20)) * 2500, 900 + (i * 37) % 700 + greatest(0, 20 - abs(i - 22)) * 900,
			4000 + (i * 91) % 2500 + greatest(0, 22 - abs(i - 22)) * 2100, 5200 + (i * 53) % 1400, 8800 + (i * 71) % 3600
		FROM generate_series(1, 58) i`)
}
