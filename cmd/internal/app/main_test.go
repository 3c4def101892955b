package app

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// nobody is an address on which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// open opens an application with its files in a folder of its own, and its
// routes. Without other env there is no Redis.
func open(t *testing.T, database string, env ...string) (*App, *echo.Echo) {
	t.Helper()
	dir := t.TempDir()
	env = append([]string{
		testSecret, "ANB_DATABASE_URL=" + database, "ANB_REDIS_URL=redis://" + nobody(t) + "/0",
		"ANB_STORAGE_ORIGINALS=" + filepath.Join(dir, "originals"), "ANB_STORAGE_PROCESSED=" + filepath.Join(dir, "processed"),
		"ANB_PROCESSING_WORK_DIR=" + filepath.Join(dir, "work"), "ANB_PROCESSING_CACHE_DIR=" + filepath.Join(dir, "cache"),
	}, env...)
	c, _, err := load(t, "", env...)
	require.NoError(t, err)
	require.NoError(t, c.Validate(true))
	a, err := Open(t.Context(), c, "1.2.3", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	m, err := a.wire()
	require.NoError(t, err)
	e, err := a.router(m)
	require.NoError(t, err)
	return a, e
}

func get(t *testing.T, e *echo.Echo, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}
