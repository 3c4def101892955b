package videos

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/fault"
)

func TestMetrics_TellHowUploadsEnd(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := setup(t, dbtest.SQLite(t), withWindow, func(d *Deps) { d.Metrics, d.ReadTimeout = registry, 300*time.Millisecond })
	has := func(lines ...string) bool {
		w := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		for _, line := range lines {
			if !bytes.Contains(w.Body.Bytes(), []byte("\n"+line+"\n")) {
				return false
			}
		}
		return true
	}
	require.True(t, has(`anb_uploads_total{outcome="failed"} 0`, `anb_uploads_total{outcome="accepted"} 0`, "anb_uploads_in_progress 0"))

	b.queue.err = errors.New("the database is away")
	require.Equal(t, 500, b.upload(t, goodForm(100)).status)
	b.queue.err = fault.ErrUnavailable.Because(b.queue.err)
	require.Equal(t, 503, b.upload(t, goodForm(100)).status)
	b.queue.err, b.inspector.err = nil, fault.New(fault.Invalid, "DURATION_TOO_SHORT", "Corto.")
	require.Equal(t, 400, b.upload(t, goodForm(100)).status)
	b.inspector.err = nil
	require.Equal(t, 201, b.upload(t, goodForm(100)).status)
	require.Equal(t, 201, b.upload(t, goodForm(100)).status)
	silent := b.half(t)
	require.True(t, has("anb_uploads_in_progress 1"))
	a, _ := answerOn(t, silent)
	require.Equal(t, 408, a.status)
	gone := b.half(t)
	require.NoError(t, gone.SetLinger(0))
	require.NoError(t, gone.Close())
	require.Eventually(t, func() bool {
		return has(`anb_uploads_total{outcome="failed"} 2`, `anb_uploads_total{outcome="refused"} 1`, `anb_uploads_total{outcome="accepted"} 1`,
			`anb_uploads_total{outcome="repeated"} 1`, `anb_uploads_total{outcome="cut"} 2`, "anb_uploads_in_progress 0")
	}, 5*time.Second, 5*time.Millisecond)
	require.False(t, has("anb_upload_bytes_total 500"), "those of broken uploads count too")

	_, err := New(b.Deps)
	var taken prometheus.AlreadyRegisteredError
	require.ErrorAs(t, err, &taken)
}
