//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus/redistest"
)

// observed is the three roles, each with a listener for metrics that it has
// again after a restart.
type observed struct {
	*fleet
	pg      *dbtest.Durable
	roles   map[string]*process // by the name of their job in prometheus.yml
	metrics map[string]string   // host:port, the same
	clip    string
	prom    string // address of Prometheus, once it runs
}

// commands are what the jobs run.
var commands = map[string][]string{"api": {"serve"}, "worker": {"work"}, "flower": {"monitor"}}

func newObserved(t *testing.T) *observed {
	t.Helper()
	pg := dbtest.StartDurable(t)
	o := &observed{pg: pg, roles: map[string]*process{}, metrics: map[string]string{}, clip: ffmpegtest.Clip(t, ffmpegtest.Spec{Source: "testsrc2=s=320x240:r=30:d=2"})}
	o.fleet = newFleetOn(t, binary(t), redistest.Start(t), pg.Create("anb"), append(quick, "ANB_MONITOR_ADDR=127.0.0.1:0")...)
	for job := range commands {
		o.metrics[job] = freeAddress(t)
	}
	return o
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}

// start runs a role until its test ends, and returns when it is healthy.
func (o *observed) start(job string) {
	o.t.Helper()
	o.roles[job] = start(o.t, o.path, o.dir, append(slices.Clone(o.env), "ANB_METRICS_ADDR="+o.metrics[job]), commands[job]...)
	require.Equal(o.t, o.metrics[job], o.roles[job].said(`msg="serving metrics" addr=(\S+)`))
	require.Eventually(o.t, func() bool { return o.health(job) == http.StatusOK }, patience, 50*time.Millisecond, "%s is not healthy", job)
}

// health asks what a container's health check asks; 0 is no answer.
func (o *observed) health(job string) int {
	res, err := http.Get("http://" + o.metrics[job] + "/healthz")
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

// upload sends the clip as a player of her own and returns her and the video.
func (o *observed) upload(player string) (*client, string) {
	o.t.Helper()
	c := newClient(o.t, o.roles["api"].base()).join(player, "Cali")
	return c, c.upload("Triple", o.clip)
}

// loop is one whole way through the product, with a vote too many.
func (o *observed) loop() {
	o.t.Helper()
	ana, video := o.upload("Ana")
	ana.processed(video, patience)
	vote := "/api/public/videos/" + video + "/vote"
	ana.object(http.StatusOK, http.MethodPost, vote, nil)
	ana.object(http.StatusBadRequest, http.MethodPost, vote, nil)
}

// scraped are the metrics of all roles, with the labels that their series have.
func (o *observed) scraped() map[string]map[string]bool {
	o.t.Helper()
	series := regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	label := regexp.MustCompile(`(\w+)="`)
	all := map[string]map[string]bool{}
	for job, addr := range o.metrics {
		res, err := http.Get("http://" + addr + "/metrics")
		require.NoError(o.t, err, job)
		text, err := io.ReadAll(res.Body)
		require.NoError(o.t, err)
		require.NoError(o.t, res.Body.Close())
		require.Equal(o.t, http.StatusOK, res.StatusCode, job)
		for _, m := range series.FindAllStringSubmatch(string(text), -1) {
			if all[m[1]] == nil {
				all[m[1]] = map[string]bool{"job": true, "instance": true} // which Prometheus adds
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				all[m[1]][l[1]] = true
			}
		}
	}
	return all
}

// prometheus starts a Prometheus of the test's own with the files of the
// deployment. Changed in the copy are just the waits, which are minutes there,
// and where the roles are, which Docker's DNS tells there.
func (o *observed) prometheus() {
	o.t.Helper()
	needProgram(o.t, "prometheus")
	dir := o.t.TempDir()
	require.NoError(o.t, os.CopyFS(dir, os.DirFS(observability+"/prometheus")))
	path := filepath.Join(dir, "prometheus.yml")
	change := []string{"scrape_interval: 15s", "scrape_interval: 500ms", "evaluation_interval: 15s", "evaluation_interval: 500ms"}
	for job, addr := range o.metrics {
		change = append(change, "dns_sd_configs:\n      - {names: ["+job+"], type: A, port: 9090, refresh_interval: 15s}", "static_configs: [{targets: ['"+addr+"']}]")
	}
	replaceAll(o.t, path, change...)
	rules, err := filepath.Glob(dir + "/rules/*.yml")
	require.NoError(o.t, err)
	for _, rule := range rules {
		data, err := os.ReadFile(rule)
		require.NoError(o.t, err)
		for _, wait := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`for: \d+[mh]`).FindAllString(string(data), -1)))) {
			replaceAll(o.t, rule, wait+"\n", "for: 2s\n")
		}
	}
	program, err := exec.LookPath("prometheus")
	require.NoError(o.t, err)
	p := start(o.t, program, dir, nil, "--config.file="+path, "--storage.tsdb.path="+dir+"/data", "--web.listen-address=127.0.0.1:0")
	p.name = "prometheus"
	o.prom = "http://" + p.said(`msg="Listening on" address=(\S+)`)
	p.said("Server is ready to receive web requests")
	require.Eventually(o.t, func() bool {
		var found struct{ ActiveTargets []struct{ Health string } }
		o.ask("targets", nil, &found)
		up := 0
		for _, target := range found.ActiveTargets {
			if target.Health == "up" {
				up++
			}
		}
		return up == len(commands)
	}, time.Minute, 50*time.Millisecond, "Prometheus reaches all roles")
}

// replaceAll changes text in a file, old and new by turns; each old one must be
// there.
func replaceAll(t *testing.T, path string, pairs ...string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(data)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, text, pairs[i], path)
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// ask asks Prometheus's API, which must answer.
func (o *observed) ask(what string, query url.Values, into any) {
	o.t.Helper()
	res, err := http.Get(o.prom + "/api/v1/" + what + "?" + query.Encode())
	require.NoError(o.t, err)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	require.NoError(o.t, json.NewDecoder(res.Body).Decode(&answer))
	require.Equal(o.t, "success", answer.Status, "%s %s: %s", what, query, answer.Error)
	require.NoError(o.t, json.Unmarshal(answer.Data, into))
}

// firing lists the alerts that fire, sorted, a name once.
func (o *observed) firing() []string {
	o.t.Helper()
	var found struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	o.ask("alerts", nil, &found)
	var names []string
	for _, a := range found.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fires waits until all of the alerts fire.
func (o *observed) fires(alerts ...string) {
	o.t.Helper()
	began := time.Now()
	var now []string
	require.Eventually(o.t, func() bool {
		now = o.firing()
		return !slices.ContainsFunc(alerts, func(a string) bool { return !slices.Contains(now, a) })
	}, time.Minute, 50*time.Millisecond, "%v fire, of %v", &now, alerts)
	o.t.Logf("%v after %s; firing: %v", alerts, time.Since(began).Round(100*time.Millisecond), now)
}

// rests waits until no alert fires any more.
func (o *observed) rests() {
	o.t.Helper()
	began := time.Now()
	var now []string
	require.Eventually(o.t, func() bool {
		now = o.firing()
		return len(now) == 0
	}, time.Minute, 50*time.Millisecond, "%v still fire", &now)
	o.t.Logf("all resolved after %s", time.Since(began).Round(100*time.Millisecond))
}

// watched keeps somebody at the dashboard, so that it looks each second, until
// the test ends or anb monitor does.
func (o *observed) watched() {
	o.t.Helper()
	res, err := http.Get(o.roles["flower"].dashboard() + "/api/v1/events")
	require.NoError(o.t, err)
	require.Equal(o.t, http.StatusOK, res.StatusCode)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, res.Body)
	}()
	o.t.Cleanup(func() {
		_ = res.Body.Close()
		<-read
	})
}

// evaluations is how often Prometheus has looked at its rules.
func (o *observed) evaluations() float64 {
	o.t.Helper()
	res, err := http.Get(o.prom + "/metrics")
	require.NoError(o.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(o.t, err)
	var n float64
	m := regexp.MustCompile(`(?m)^prometheus_rule_group_iterations_total\{.*platform\.yml.*\} (\S+)$`).FindSubmatch(text)
	require.NotNil(o.t, m)
	_, err = fmt.Sscan(string(m[1]), &n)
	require.NoError(o.t, err)
	return n
}
