package app

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/lifecycle"
	"anb/platform/metrics"
)

// serve runs the API role at addr until the test ends.
func serve(t *testing.T, a *App, addr string) {
	t.Helper()
	a.config.HTTP.Addr = addr
	a.metrics = metrics.New("1.2.3") // open has made modules that tell theirs
	services, err := a.Serve(t.Context())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- lifecycle.Run(ctx, a.log, services...) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
}

func TestServe_TellsTheRoomOfItsStorage(t *testing.T) {
	t.Parallel()
	a, _ := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	serve(t, a, "127.0.0.1:0")
	w := httptest.NewRecorder()
	a.metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Contains(t, w.Body.String(), `anb_storage_free_bytes{place="originals"} `)
	require.Contains(t, w.Body.String(), `anb_storage_free_bytes{place="processed"} `)
	require.NotContains(t, w.Body.String(), `place="work"`)
}

func TestServe_TakesNoMoreConnectionsThanConfiguredAndGoesOnWhenOneEnds(t *testing.T) {
	t.Parallel()
	a, _ := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"), "ANB_HTTP_MAX_CONNECTIONS=1")
	addr := nobody(t)
	serve(t, a, addr)
	ask := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		require.NoError(t, err, "the kernel takes it")
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, "GET /health HTTP/1.1\r\nHost: anb\r\n\r\n")
		require.NoError(t, err)
		return c
	}
	answered := func(c net.Conn, within time.Duration) error {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(within)))
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		require.Equal(t, http.StatusOK, r.StatusCode)
		return r.Body.Close()
	}
	first := ask()
	require.NoError(t, answered(first, 10*time.Second))
	second := ask()
	require.ErrorIs(t, answered(second, 200*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, first.Close())
	require.NoError(t, answered(second, 10*time.Second))
}
