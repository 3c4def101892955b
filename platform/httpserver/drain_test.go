package httpserver

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

// A client that only writes until it is done sees why a body of ten megabytes
// was refused, and a small refusal costs nobody the connection.
func TestDrain_LargeJSONSeesTheRefusalAndSmallOnesKeepTheConnection(t *testing.T) {
	t.Parallel()
	e, err := New(Config{MaxHeaderBytes: 1 << 16}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	e.POST("/x", func(c echo.Context) error {
		var v struct {
			A string `json:"a"`
		}
		if err := Bind(c, &v); err != nil {
			return err
		}
		return errNotFound
	}, Drain(16<<20))
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	send := func(body string) string {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(c, fmt.Sprintf("POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))+body)
		require.NoError(t, err, "the whole body could be written")
		p := make([]byte, 4096)
		n, err := c.Read(p)
		require.NoError(t, err)
		return string(p[:n])
	}

	large := send(`{"a":"` + strings.Repeat("a", 10<<20) + `"}`)
	require.Contains(t, large, fmt.Sprint(http.StatusRequestEntityTooLarge))
	require.Contains(t, large, "Connection: close")
	small := send(`{"a":"b"}`)
	require.Contains(t, small, "404")
	require.NotContains(t, small, "Connection: close")
}
