//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// hostile are titles that players may give.
var hostile = []string{`<script>window.pwned = 1</script>`, `"><img src=x onerror="window.pwned=1">`, `{{7*7}} ${7*7} <%= 7*7 %>`, "foto\u202Egpj.exe"}

// hostileEncoder ends badly and says what a made-up file could have it say.
const hostileEncoder = `case "$*" in *libx264*) printf '\033[31;1m[mov @ 0x55] <script>window.pwned = 1</script>\033[0m\n\033]0;owned\007"><img src=x onerror="window.pwned=1"> moov atom not found\n' >&2; exit 1 ;; esac; exec ffmpeg "$@"`

// scene is a dashboard on which there is something of everything.
type scene struct {
	*dashboard
	work                         *process
	done, dead, running, waiting job
	operation                    string // a path
}

// newScene makes one, with real runs.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{dashboard: newDashboard(t, "ANB_PROCESSING_MAX_ATTEMPTS=1", "ANB_MONITOR_LABEL=PRUEBA")}
	s.work = s.worker("--concurrency=1")
	clip := clipOf(t, 1)
	s.done = s.becomes(s.api.upload(hostile[0], clip), "done")
	s.encode(hostileEncoder)
	s.dead = s.becomes(s.api.upload(hostile[1], clip), "dead")
	s.encode(restEncoder)
	s.running = s.becomes(s.api.upload(hostile[2], clip), "running")
	s.waiting = s.job(s.api.upload(hostile[3], clip))
	other := s.job(s.api.upload("Se cancela", clip))
	v := s.visitor().signIn(operator)
	status, address, _ := v.post("/bulk", "action", "cancel", "id", other.ID, "reason", hostile[0], "key", "scene")
	require.Equal(t, http.StatusOK, status)
	s.operation = address
	return s
}

// paths are all pages that an administrator can see, and their status.
func (s *scene) paths() map[string]int {
	return map[string]int{
		"/": 200, "/?range=24h": 200, "/jobs": 200, "/jobs?q=" + url.QueryEscape("state:done,dead -user:nobody"): 200,
		"/jobs?q=" + url.QueryEscape(`video:"`+strings.ReplaceAll(hostile[0], `"`, "")+`"`): 200, "/jobs?q=" + url.QueryEscape(hostile[1]+` x:`): 400,
		"/jobs?q=nada-de-eso": 200, "/jobs/" + s.done.ID: 200, "/jobs/" + s.dead.ID: 200, "/jobs/" + s.running.ID: 200, "/jobs/" + s.waiting.ID: 200,
		"/queues": 200, "/workers": 200, "/dead": 200, "/audit": 200, "/audit?who=nadie": 200, "/bulk?action=retry&q=state:dead": 200,
		"/bulk?action=discard&q=state:dead": 200, "/bulk?action=burn&q=x": 400, s.operation: 200, "/sessions": 200,
		"/jobs/" + uuid.NewString(): 404, "/operations/x": 404, "/login": 200,
	}
}

func TestMonitor_Pages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	steps := []struct {
		name string
		do   func(t *testing.T, w *window)
	}{
		{"every page is well made, shows hostile words and runs none", s.everyPage},
		{"the keyboard alone leads to a job and cancels it", s.byKeyboard},
		{"every page and every action works without scripts", s.withoutScripts},
		{"a viewer sees no buttons and is refused", s.viewerOnly},
	}
	w := s.chromium(t)
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			s.during(t)
			w.t = t
			step.do(t, w)
		})
	}
	s.goOn()
	s.work.signal(sigterm)
	require.Zero(t, s.work.wait(time.Minute))
}

func (s *scene) everyPage(t *testing.T, w *window) {
	b := w.tab()
	b.visit(http.StatusOK, "/login")
	flaws := b.flaws("/login")
	b.fill("input[name=name]", admin)
	b.fill("input[name=password]", "otra-cosa-123")
	b.click("main button")
	b.until(`document.querySelector("[role=alert]")`, "a wrong password")
	flaws = append(flaws, b.flaws("/login, refused")...)
	require.Positive(t, b.forgive("401"))
	b.signIn(admin, "/jobs?q=state:dead")
	titles := map[string]bool{}
	for path, status := range s.paths() {
		b.visit(int64(status), path)
		b.until(`document.readyState === "complete"`)
		flaws = append(flaws, b.flaws(path)...)
		titles[js[string](b, `document.title`)] = true
		require.Equal(t, "", js[string](b, `[window.pwned, document.querySelector('img[src="x"]'), document.querySelector("script:not([src^='/assets/monitor.js'])")].filter(Boolean).join()`), path)
		require.False(t, strings.Contains(js[string](b, `document.body.innerText`), "49 $"), path)
		if status != http.StatusOK {
			require.Positive(t, b.forgive("Failed to load resource: the server responded with a status of "), path)
		}
	}
	require.Empty(t, strings.Join(flaws, "\n"))
	require.Greater(t, len(titles), 9, "pages are told apart by their titles: %v", titles)
	for id, title := range map[string]string{s.done.ID: hostile[0], s.dead.ID: hostile[1], s.running.ID: hostile[2], s.waiting.ID: hostile[3]} {
		b.visit(http.StatusOK, "/jobs/"+id)
		require.Equal(t, title, js[string](b, `document.querySelector("h1").textContent`))
		require.Equal(t, "isolate", js[string](b, `getComputedStyle(document.querySelector("h1")).unicodeBidi`), "it turns nothing else around")
	}
	b.visit(http.StatusOK, "/jobs/"+s.dead.ID)
	log := js[string](b, `document.querySelector("#log").textContent`)
	require.Equal(t, "[mov @ 0x55] <script>window.pwned = 1</script>\n\"><img src=x onerror=\"window.pwned=1\"> moov atom not found\n", log)
	require.Contains(t, js[string](b, `document.querySelector(".pinned").textContent`), `"><img src=x onerror="window.pwned=1"> moov atom not found`)
	s.posters(b)
	s.small()
	js[bool](b, `document.querySelector("main").insertAdjacentHTML("beforeend", "<input><img src='data:,'><h1 id=main class=mono>x</h1><p class=env><s class=count>" + "W".repeat(300) + "</s></p>") || true`)
	require.GreaterOrEqual(t, len(b.flaws("")), 8, "what is badly made is found")
}

// posters requires that pictures and videos come from the API and are shown.
func (s *scene) posters(b *tab) {
	b.visit(http.StatusOK, "/jobs/"+s.done.ID)
	b.until(`(() => { const v = document.querySelector("video.player"); return v.poster.startsWith("` + s.api.base + `/") && v.src.startsWith("` + s.api.base + `/"); })()`)
	require.True(s.t, js[bool](b, `(v => { v.muted = true; return v.play().then(() => v.videoWidth === 320); })(document.querySelector("video.player"))`), "the video plays")
	b.visit(http.StatusOK, "/jobs?q=state:done")
	b.until(`document.querySelector("img.thumb")?.naturalWidth > 0`, "the poster is shown")
}

// small requires that a first visit transfers little, compressed as a proxy
// would.
func (s *scene) small() {
	v := s.visitor().signIn(admin)
	size := func(body string) int {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(body))
		require.NoError(s.t, err)
		require.NoError(s.t, z.Close())
		return b.Len()
	}
	assets := 0
	for _, path := range []string{"/assets/monitor.css", "/assets/monitor.js", "/assets/icon.svg"} {
		_, _, body := v.get(path)
		assets += size(body)
	}
	for path := range s.paths() {
		_, _, body := v.get(path)
		require.Less(s.t, assets+size(body), 150<<10, path)
	}
}
