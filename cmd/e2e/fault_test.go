//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func slowClip(t *testing.T) string {
	t.Helper()
	return ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 6})
}

func TestWorker_KilledMidJobLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), slices.Concat(quick, slow(t))...)
	c := newClient(t, f.run("serve").base()).join("Ana", "Cali")
	clip := slowClip(t)
	first := f.worker()
	ids := []string{c.upload("uno", clip), c.upload("dos", clip)}
	c.midway(ids[0])

	first.kill()
	require.Equal(t, -1, first.cmd.ProcessState.ExitCode(), "it was killed")
	requireNoStrays(t, f.dir, 2*time.Second)
	second := f.worker()
	for _, id := range ids {
		c.processed(id, patience)
	}

	require.Equal(t, []string{"lost", "done"}, f.attempts(ids[0]))
	require.Equal(t, []string{"done"}, f.attempts(ids[1]))
	second.signal(syscall.SIGTERM)
	require.Zero(t, second.wait(10*time.Second))
	f.requireTidy(2)
}

func TestWorker_TerminatedMidJobHandsItBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), slices.Concat(quick, slow(t), []string{"ANB_WORK_DRAIN=500ms"})...)
	c := newClient(t, f.run("serve").base()).join("Ana", "Cali")
	clip := slowClip(t)
	first := f.worker()
	id := c.upload("uno", clip)
	c.midway(id)

	first.signal(syscall.SIGTERM)
	require.Zero(t, first.wait(15*time.Second))
	requireNoStrays(t, f.dir, time.Second)
	require.Equal(t, []string{"released"}, f.attempts(id))
	require.Equal(t, "processing", c.video(id)["status"])
	second := f.worker()
	c.processed(id, patience)

	require.Equal(t, []string{"released", "done"}, f.attempts(id))
	second.signal(syscall.SIGTERM)
	require.Zero(t, second.wait(10*time.Second))
	f.requireTidy(1)
}

func TestRedis_RestartedMidJobLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), slices.Concat(quick, slow(t))...)
	api := f.run("serve")
	c := newClient(t, api.base()).join("Ana", "Cali")
	clip := slowClip(t)
	worker := f.worker()
	ids := []string{c.upload("uno", clip), c.upload("dos", clip)}
	c.midway(ids[0])

	f.redis.Stop()
	ids = append(ids, c.upload("mientras Redis no está", clip))
	require.Equal(t, "degraded", c.object(http.StatusOK, http.MethodGet, "/readyz", nil)["status"])
	c.processed(ids[0], patience) // what runs goes on without Redis
	f.redis.Restart()
	for _, id := range ids {
		c.processed(id, patience)
		require.Equal(t, []string{"done"}, f.attempts(id))
	}

	worker.signal(syscall.SIGTERM)
	require.Zero(t, worker.wait(10*time.Second))
	f.requireTidy(3)
}

func TestDelete_MidJobStopsTheEncoder(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), slices.Concat(quick, slow(t))...)
	c := newClient(t, f.run("serve").base()).join("Ana", "Cali")
	worker := f.worker()
	id := c.upload("uno", slowClip(t))
	c.midway(id)

	c.object(http.StatusOK, http.MethodDelete, "/api/videos/"+id, nil)

	requireNoStrays(t, f.dir, 10*time.Second)
	require.Equal(t, []string{"cancelled"}, f.attempts(id))
	c.object(http.StatusNotFound, http.MethodGet, "/api/videos/"+id, nil)
	worker.signal(syscall.SIGTERM)
	require.Zero(t, worker.wait(10*time.Second))
	f.requireTidy(0)
}

func TestDev_InterruptedCarriesOnAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := slices.Concat([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, quick, slow(t))
	first := start(t, binary(t), dir, env, "dev")
	c := newClient(t, first.base()).join("Ana", "Cali")
	clip := slowClip(t)
	ids := []string{c.upload("uno", clip), c.upload("dos", clip)}
	c.midway(ids[0])

	first.signal(syscall.SIGINT)
	require.Zero(t, first.wait(5*time.Second))
	requireNoStrays(t, dir, time.Second)

	c.base = start(t, binary(t), dir, env, "dev").base()
	for _, id := range ids {
		c.processed(id, patience)
	}
}
