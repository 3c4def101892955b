package app

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/lifecycle"
)

func TestWork_ObeysOperatorsAndTellsOfItsJobs(t *testing.T) {
	t.Parallel()
	ffmpegtest.Require(t)
	a, _ := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "ANB_ENCODER_WIDTH=64", "ANB_ENCODER_HEIGHT=64", "ANB_ENCODER_CODEC=libx264",
		"ANB_WORK_QUEUES=first,second")
	services, err := a.Work(t.Context())
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(services, func(s lifecycle.Service) bool { return s.Name == "orders" }))
	w := httptest.NewRecorder()
	a.metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, queue := range []string{"first", "second"} {
		require.Contains(t, w.Body.String(), `anb_jobs_total{kind="process",outcome="done",queue="`+queue+`"} 0`)
	}
}

func TestHealth_IsThatOfTheRolesThatRunHere(t *testing.T) {
	t.Parallel()
	ffmpegtest.Require(t)
	a, _ := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "ANB_ENCODER_WIDTH=64", "ANB_ENCODER_HEIGHT=64", "ANB_ENCODER_CODEC=libx264")
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.health(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
		return w
	}
	require.Equal(t, http.StatusOK, ask().Code, "no role has anything against it")
	_, err := a.Work(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, ask().Code, "a worker that does not run")
	require.Equal(t, "worker does not consume\n", ask().Body.String())
}
