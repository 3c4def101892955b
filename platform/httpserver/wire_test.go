package httpserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

// dial connects to s without any manners of an HTTP client.
func dial(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

func write(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	_, err := io.WriteString(conn, s)
	require.NoError(t, err)
}

// answerOf reads an answer and its whole body.
func answerOf(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

var errFull = fault.New(fault.Invalid, "FULL", "No cabe.")

func TestDrain_AClientThatFirstSendsEverythingSeesTheAnswer(t *testing.T) {
	t.Parallel()
	const size = 8 << 20 // far more than sockets buffer
	for name, head := range map[string]string{
		"with a length": fmt.Sprintf("Content-Length: %d\r\n\r\n", size),
		"in one chunk":  fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _ := newEcho(t)
			e.POST("/", func(c echo.Context) error {
				_, _ = c.Request().Body.Read(make([]byte, 100))
				return errFull
			}, Drain(2*size))
			conn := dial(t, serve(t, sound(), e))
			write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
			for range size / (64 << 10) {
				write(t, conn, strings.Repeat("x", 64<<10))
			}
			if strings.Contains(head, "chunked") {
				write(t, conn, "\r\n0\r\n\r\n")
			}
			r := answerOf(t, conn)
			require.Equal(t, http.StatusBadRequest, r.StatusCode)
			require.True(t, r.Close, "the connection is not used again")
			body, _ := io.ReadAll(r.Body)
			require.Contains(t, string(body), "FULL")
		})
	}
}

func TestDrain_AnswersBeforeTheClientHasSentEverything(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"with a length": "Content-Length: 8388608\r\n\r\n",
		"chunked":       "Transfer-Encoding: chunked\r\n\r\n800000\r\n",
		"expecting 100": "Content-Length: 8388608\r\nExpect: 100-continue\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _ := newEcho(t)
			e.POST("/", func(echo.Context) error { return errFull }, Drain(16<<20))
			conn := dial(t, serve(t, sound(), e))
			write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
			if !strings.Contains(head, "Expect") {
				write(t, conn, strings.Repeat("x", 1000))
			}
			require.Equal(t, http.StatusBadRequest, answerOf(t, conn).StatusCode, "and no 100 before")
		})
	}
}

func TestDrain_ReadsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	body := &counted{Reader: endless{}}
	e.POST("/", func(c echo.Context) error {
		_, _ = io.CopyN(io.Discard, c.Request().Body, 1000)
		return errFull
	}, Drain(1<<20))
	requireProblem(t, send(e, request(t, "POST", "/", body)), http.StatusBadRequest, "FULL")
	require.Equal(t, 1<<20, body.n)
}

func TestDrain_LeavesWhatSucceedsAlone(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	e.POST("/", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }, Drain(10))
	w := send(e, request(t, "POST", "/", strings.NewReader("x")))
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Empty(t, w.Header().Get("Connection"))
}

// slow answers how much it read, allowing 400 ms for each piece.
func slow(t *testing.T, rate int64) http.Handler {
	t.Helper()
	e, _ := newEcho(t)
	e.POST("/", func(c echo.Context) error {
		body, _ := Rolling(c, Pace{Read: 400 * time.Millisecond, Write: 5 * time.Second, MinRate: rate})
		n, err := io.Copy(io.Discard, body)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		return c.String(http.StatusOK, fmt.Sprint(n))
	})
	return e
}

func TestRolling_ABodyThatTricklesOutlivesTheReadTimeout(t *testing.T) {
	t.Parallel()
	c := sound()
	c.ReadTimeout, c.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	conn := dial(t, serve(t, c, slow(t, 0)))
	write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
	tick := time.NewTicker(100 * time.Millisecond) // a slow client is the subject, not a wait
	defer tick.Stop()
	for range 15 {
		<-tick.C
		write(t, conn, "x")
	}
	r := answerOf(t, conn)
	require.Equal(t, http.StatusOK, r.StatusCode)
	body, _ := io.ReadAll(r.Body)
	require.Equal(t, "15", string(body))
}

func TestRolling_ABodyThatStallsIs408(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, sound(), slow(t, 0)))
	write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\nx")
	r := answerOf(t, conn)
	require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
	body, _ := io.ReadAll(r.Body)
	require.Contains(t, string(body), "REQUEST_TIMEOUT")
}

// One byte is always on its way, and it is cut all the same.
func TestRolling_ABodyThatTricklesBelowTheMinimumIs408(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, sound(), slow(t, 1000)))
	write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	done := make(chan struct{})
	trickled := make(chan struct{})
	go func() {
		defer close(trickled)
		tick := time.NewTicker(20 * time.Millisecond) // a slow client is the subject, not a wait
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_, _ = io.WriteString(conn, "x")
			}
		}
	}()
	r := answerOf(t, conn)
	close(done)
	<-trickled
	require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
	body, _ := io.ReadAll(r.Body)
	require.Contains(t, string(body), "REQUEST_TIMEOUT")
}

func TestServer_ClosesAConnectionWhoseHeaderDoesNotEnd(t *testing.T) {
	t.Parallel()
	c := sound()
	c.ReadTimeout = 200 * time.Millisecond
	e, _ := newEcho(t)
	conn := dial(t, serve(t, c, e))
	began := time.Now()
	write(t, conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	_, err := io.ReadAll(conn)
	require.NoError(t, err, "closed, not timed out by this test")
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestServer_RefusesALargeHeader(t *testing.T) {
	t.Parallel()
	e, _ := newEcho(t)
	conn := dial(t, serve(t, sound(), e))
	write(t, conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+strings.Repeat(".", 64<<10)+"\r\n\r\n")
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answerOf(t, conn).StatusCode)
}

// A body shorter than announced is the client's fault.
func TestBind_OfABodyCutShortIsTheClientsFault(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, sound(), bound(t)))
	write(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"name\":")
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	r := answerOf(t, conn)
	require.Equal(t, http.StatusBadRequest, r.StatusCode)
}
