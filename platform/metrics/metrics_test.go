package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/metrics"
)

func scrape(t *testing.T, r *metrics.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestRegistry_ServesVersionProcessAndRequests(t *testing.T) {
	t.Parallel()
	r := metrics.New("1.2.3")
	r.Request("/api/videos/:video_id", "GET", 200, "", 20*time.Millisecond)
	r.Request("/api/videos/:video_id", "GET", 200, "", 40*time.Millisecond)
	r.Request("", "GET", 404, "NOT_FOUND", time.Millisecond)
	text := scrape(t, r)
	for _, line := range []string{
		`anb_build_info{version="1.2.3"} 1`,
		"go_goroutines ",
		"process_open_fds ",
		`anb_http_request_seconds_count{method="GET",route="/api/videos/:video_id",status="200"} 2`,
		`anb_http_request_seconds_bucket{method="GET",route="/api/videos/:video_id",status="200",le="0.025"} 1`,
		`anb_http_request_seconds_count{method="GET",route="none",status="404"} 1`,
		`anb_http_problems_total{code="NOT_FOUND",route="none"} 1`,
	} {
		require.Contains(t, text, line)
	}
}

func TestRegistry_KeepsTheNumberOfSeriesBounded(t *testing.T) {
	t.Parallel()
	r := metrics.New("dev")
	for _, method := range []string{"FOO", "BAR", "get", strings.Repeat("X", 1000)} {
		r.Request("", method, 405, "METHOD_NOT_ALLOWED", time.Millisecond)
	}
	text := scrape(t, r)
	require.Contains(t, text, `anb_http_request_seconds_count{method="other",route="none",status="405"} 4`)
	require.Equal(t, 1, strings.Count(text, "anb_http_request_seconds_count"))
	require.Contains(t, text, `anb_http_problems_total{code="METHOD_NOT_ALLOWED",route="none"} 4`)
}

func TestNew_MakesIndependentRegistries(t *testing.T) {
	t.Parallel()
	a, b := metrics.New("a"), metrics.New("b")
	a.Request("/x", "GET", 200, "", time.Millisecond)
	require.NotContains(t, scrape(t, b), `route="/x"`)
}
