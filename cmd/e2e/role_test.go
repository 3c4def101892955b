//go:build e2e

package e2e

import (
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/taskbus/redistest"
)

func TestRoles_SayWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{
		"DATABASE_URL=" + dbtest.PostgresURL(t, false), "REDIS_URL=" + redistest.Start(t).URL(), "ANB_HTTP_ADDR=127.0.0.1:0",
		"ANB_PROCESSING_WORK_DIR=" + filepath.Join(dir, "work"), "ANB_PROCESSING_CACHE_DIR=" + filepath.Join(dir, "cache"),
	}
	secret := "ANB_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef"

	p := start(t, binary(t), dir, env, "serve")
	require.Equal(t, 2, p.wait(time.Minute))
	p.said("ANB_AUTH_JWT_SECRET")
	for _, role := range []string{"serve", "work"} {
		p = start(t, binary(t), dir, append(env, secret), role)
		require.Equal(t, 1, p.wait(time.Minute))
		p.said("run: anb migrate up")
	}
	p = start(t, binary(t), dir, append(env, secret, "ANB_HTTP_ADR=x", "ANB_DATABASE_MAX_OPEN=many"), "serve")
	require.Equal(t, 2, p.wait(time.Minute))
	p.said("ANB_HTTP_ADR")
	p.said("ANB_DATABASE_MAX_OPEN")
	p = start(t, binary(t), dir, append(env, "ANB_FFMPEG_FFMPEG=/nowhere/ffmpeg"), "work")
	require.Equal(t, 1, p.wait(time.Minute))
	p.said("/nowhere/ffmpeg")
}

func TestServe_HealthcheckMetricsAndGracefulStop(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), append(quick, "ANB_METRICS_ADDR=127.0.0.1:0", "ANB_HTTP_SHUTDOWN_DELAY=1s")...)
	api := f.run("serve")
	c := newClient(t, api.base())
	require.Equal(t, "ready", c.object(http.StatusOK, http.MethodGet, "/readyz", nil)["status"])
	require.Zero(t, f.run("healthcheck", "--url", c.base+"/readyz").wait(time.Minute))
	require.Equal(t, 1, f.run("healthcheck", "--url", "http://127.0.0.1:1/").wait(time.Minute))
	metrics := &client{t: t, base: "http://" + api.said(`msg="serving metrics" addr=(\S+)`), http: http.DefaultClient}
	status, body, _ := metrics.do(http.MethodGet, "/metrics", "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), `anb_http_request_seconds_count{method="GET",route="/readyz",status="200"}`)
	require.Contains(t, string(body), "anb_build_info")

	api.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool {
		res, err := http.Get(c.base + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode == http.StatusServiceUnavailable
	}, 5*time.Second, 10*time.Millisecond, "not ready first, still accepting")
	require.Zero(t, api.wait(10*time.Second))
}
