//go:build e2e

package e2e

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/collectors"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus"
	"anb/platform/taskbus/redistest"
)

// rig is a fleet whose connections to PostgreSQL and Redis lead through
// proxies, and whose encoder can be exchanged.
type rig struct {
	*fleet
	x        *experiment
	pg       *dbtest.Durable
	db, bus  *link
	encoder  string // a script
	book     *book
	baseline map[*process]usage
	stored   func(place string) int // how many files are in a place of the storage
}

// newRig starts the servers and migrates; settings are further variables.
func newRig(x *experiment, settings ...string) *rig {
	x.Helper()
	r := &rig{x: x, pg: dbtest.StartDurable(x.T), book: newBook(x.T), baseline: map[*process]usage{}}
	broker := redistest.Start(x.T)
	r.db, r.bus = newLink(x.T, r.pg.Addr()), newLink(x.T, broker.Addr())
	r.encoder = ffmpegtest.Script(x.T, plainEncoder)
	through := func(address, proxy string) string {
		u, err := url.Parse(address)
		require.NoError(x, err)
		u.Host = proxy
		return u.String()
	}
	direct := r.pg.Create("anb")
	r.fleet = newFleetOn(x.T, binary(x.T), broker, direct, slices.Concat(quick, []string{
		"DATABASE_URL=" + through(direct, r.db.Listen), "REDIS_URL=" + through(broker.URL(), r.bus.Listen),
		"ANB_FFMPEG_FFMPEG=" + r.encoder, "ANB_METRICS_ADDR=127.0.0.1:0",
	}, settings)...)
	r.stored = func(place string) int { return len(r.files(place)) }
	return r
}

const (
	plainEncoder = `exec ffmpeg "$@"`
	// slowEncoder makes a job last some seconds at little cost.
	slowEncoder = `case "$*" in *libx264*) exec ffmpeg -re "$@" ;; *) exec ffmpeg "$@" ;; esac`
)

// slowly is the setting that goes with slowEncoder.
const slowly = "ANB_ENCODER_CLIP_LENGTH=6s"

// encode makes the encoder a script with this body from the next run on.
func (r *rig) encode(body string) {
	r.x.Helper()
	require.NoError(r.x, os.Rename(ffmpegtest.Script(r.x.T, body), r.encoder))
}

// with returns the settings of r and more of them, for one process.
func (r *rig) with(settings ...string) *rig {
	other, f := *r, *r.fleet
	f.env = slices.Concat(f.env, settings)
	other.fleet = &f
	return &other
}

// serve starts an API server and returns it when it serves.
func (r *rig) serve() *process {
	r.x.Helper()
	p := r.run("serve")
	p.base()
	return p
}

// quit ends processes gently.
func (r *rig) quit(all ...*process) {
	r.x.Helper()
	for _, p := range all {
		p.signal(sigterm)
	}
	for _, p := range all {
		require.Zero(r.x, p.wait(time.Minute))
	}
}

// killed requires that p died of kill -9.
func (x *experiment) killed(p *process) {
	x.Helper()
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		x.Fatalf("%s still lives", p.name)
	}
	require.Equal(x, "signal: killed", p.cmd.ProcessState.String())
	x.occurred("%s ended by SIGKILL", p.name)
}

// redis returns a client that does not go through the proxy.
func (r *rig) client() redis.UniversalClient {
	r.x.Helper()
	c, err := taskbus.OpenRedis(r.x.Context(), r.redis.URL())
	require.NoError(r.x, err)
	r.x.Cleanup(func() { _ = c.Close() })
	return c
}

// link is a toxiproxy before one server.
type link struct {
	*toxiproxy.Proxy
	t       *testing.T
	server  *toxiproxy.ApiServer
	traffic *prometheus.Registry
}

func newLink(t *testing.T, upstream string) *link {
	t.Helper()
	metrics := toxiproxy.NewMetricsContainer(nil)
	metrics.ProxyMetrics = collectors.NewProxyMetricCollectors()
	l := &link{t: t, server: toxiproxy.NewServer(metrics, zerolog.Nop()), traffic: prometheus.NewRegistry()}
	l.traffic.MustRegister(metrics.ProxyMetrics.Collectors()...)
	l.Proxy = toxiproxy.NewProxy(l.server, "link", "127.0.0.1:0", upstream)
	require.NoError(t, l.Start())
	t.Cleanup(l.Stop)
	return l
}

// cut breaks all connections and refuses new ones until mend.
func (l *link) cut() { l.Stop() }

func (l *link) mend() {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.Start() == nil }, 10*time.Second, 20*time.Millisecond, "the proxy's port is taken")
}

// toxic does something to the traffic; attributes are JSON.
func (l *link) toxic(kind, stream, attributes string) {
	l.t.Helper()
	_, err := l.Toxics.AddToxicJson(strings.NewReader(`{"name": "` + kind + `-` + stream + `", "type": "` + kind + `", "stream": "` + stream + `", "attributes": ` + attributes + `}`))
	require.NoError(l.t, err)
}

// freeze lets connections stand and nothing pass, until thaw.
func (l *link) freeze() {
	l.toxic("timeout", "upstream", `{"timeout": 0}`)
	l.toxic("timeout", "downstream", `{"timeout": 0}`)
}

func (l *link) thaw() { l.Toxics.ResetToxics(l.t.Context()) }

// bytes counts what came in from either side.
func (l *link) bytes() (n float64) {
	l.t.Helper()
	families, err := l.traffic.Gather()
	require.NoError(l.t, err)
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), "received_bytes_total") {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// usage is what a process holds.
type usage struct{ goroutines, files float64 }

// metrics fetches the metrics page of p.
func (x *experiment) metrics(p *process) string {
	x.Helper()
	res, err := http.Get("http://" + p.said(`msg="serving metrics" addr=(\S+)`) + "/metrics")
	require.NoError(x, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(x, err)
	return string(body)
}

// metric reads one metric of p by its full name with labels.
func (x *experiment) metric(p *process, name string) float64 {
	x.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(x.metrics(p))
	require.NotNil(x, m, "%s has no metric %s", p.name, name)
	v, err := strconv.ParseFloat(m[1], 64)
	require.NoError(x, err)
	return v
}

func (x *experiment) usage(p *process) usage {
	x.Helper()
	return usage{x.metric(p, "go_goroutines"), x.metric(p, "process_open_fds")}
}

// settle notes what a server holds when it has nothing to do, after its pools
// have filled; check compares.
func (r *rig) settle(p *process, u *user) {
	r.x.Helper()
	done := make(chan reply, 16)
	for range cap(done) {
		go func() { done <- u.call(http.MethodGet, "/api/videos", nil) }()
	}
	for range cap(done) {
		require.Equal(r.x, http.StatusOK, (<-done).status)
	}
	r.book.http.CloseIdleConnections()
	r.baseline[p] = r.x.usage(p)
}

// files lists the names in a folder of the fleet, hidden ones left out.
func (r *rig) files(dir string) (names []string) {
	r.x.Helper()
	err := filepath.WalkDir(filepath.Join(r.dir, dir), func(path string, e os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), "known-job-") {
			names = append(names, e.Name())
		}
		return err
	})
	require.NoError(r.x, err)
	return names
}

var discard = slog.New(slog.DiscardHandler)
