//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNginx_Uploads(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ANB_HTTP_READ_TIMEOUT=5s", "ANB_UPLOAD_PER_PLAYER=0")
	u := s.book.join(s.base(), "ana")
	clip := contentOf(s.x, clipOf(t, 2))
	c := newClient(t, s.base()).as(u.token)

	t.Run("of 99 MiB and of just the limit are accepted, one byte more is named", func(t *testing.T) { // R37
		for _, size := range []int{99 << 20, 100 << 20} {
			status, body := padded(t, c, clip, size)
			require.Equal(t, http.StatusCreated, status, "%s", body)
			var made struct {
				VideoID string `json:"video_id"`
			}
			require.NoError(t, json.Unmarshal(body, &made))
			require.Equal(t, http.StatusOK, u.delete(made.VideoID).status)
		}
		status, body := padded(t, c, clip, 100<<20+1)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, string(body), "FILE_TOO_LARGE")
	})
	t.Run("pass through without a trace on nginx's disk", func(t *testing.T) {
		body, contentType := form("Sin rastro", "clip.mp4", append(clip, freeBox(60<<20-len(clip))...))
		before := s.bytes()
		conn := s.begin(t, u, contentType, int64(len(body)))
		_, err := conn.Write(body[:59<<20])
		require.NoError(t, err)
		require.Eventually(t, func() bool { return s.bytes()-before > 50<<20 }, 5*time.Second, 20*time.Millisecond, "the API has it while it is being sent")
		require.Empty(t, s.front.temporary(t))
		_, err = conn.Write(body[59<<20:])
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, s.answer(t, conn).status)
	})
	t.Run("that are far too large are refused visibly", func(t *testing.T) { // F47
		_, contentType := form("Grande", "clip.mp4", nil)
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			conn := s.dial(t)
			head := strings.Replace(u.head(contentType, 5<<30), "\r\n\r\n", "\r\n"+expect+"\r\n", 1)
			_, err := io.WriteString(conn, head)
			require.NoError(t, err)
			if expect == "" {
				go func() { _, _ = io.Copy(conn, zeros{}) }() // as browsers do, who read the answer later
			}
			a := s.answer(t, conn)
			requireProblem(t, a, 413, "BODY_TOO_LARGE")
			require.Empty(t, a.line["upstream"], "the API does not hear of it")
		}
	})
	t.Run("without an end are refused visibly", func(t *testing.T) {
		conn := s.dial(t)
		front, contentType := form("Grande", "clip.mp4", clip)
		front = front[:bytes.LastIndex(front, []byte("\r\n--"))]
		_, err := fmt.Fprintf(conn, "%s%x\r\n%s\r\n", u.head(contentType, -1), len(front), front)
		require.NoError(t, err)
		go func() {
			chunk := make([]byte, 256<<10)
			for err == nil {
				_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk)
			}
		}()
		a := s.answer(t, conn)
		if a.status == http.StatusBadRequest { // who finds out first: nginx reads a little ahead of the API
			require.Contains(t, a.body, "FILE_TOO_LARGE")
		} else {
			requireProblem(t, a, 413, "BODY_TOO_LARGE")
		}
		require.Eventually(t, func() bool { return len(s.files("uploads")) == 1 }, 5*time.Second, 20*time.Millisecond, "a file stays")
	})
	t.Run("without a token are refused visibly", func(t *testing.T) { // F45
		body, contentType := form("Nadie", "clip.mp4", make([]byte, 5<<20))
		r := (&user{b: s.book, base: s.base()}).call(http.MethodPost, "/api/videos", bytes.NewReader(body), "Content-Type", contentType)
		require.Equal(t, http.StatusUnauthorized, r.status, "%v", r.err)
		require.Equal(t, "UNAUTHENTICATED", r.text("code"))
	})
	body, contentType := form("A medias", "clip.mp4", append(clip, freeBox(2<<20)...))
	half := func(t *testing.T) net.Conn {
		t.Helper()
		n := len(s.files("uploads"))
		conn := s.begin(t, u, contentType, int64(len(body)))
		_, err := conn.Write(body[:len(body)/2])
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(s.files("uploads")) == n+1 }, 5*time.Second, 10*time.Millisecond, "nothing is staged")
		return conn
	}
	nothing := func(t *testing.T, files int, rows int64) {
		t.Helper()
		require.Eventually(t, func() bool { return len(s.files("uploads")) == files }, 5*time.Second, 20*time.Millisecond, "a file stays")
		require.Equal(t, rows, s.rows("videos"))
	}
	t.Run("whose client goes away leave nothing", func(t *testing.T) { // F18
		files, rows := len(s.files("uploads")), s.rows("videos")
		require.NoError(t, half(t).Close())
		nothing(t, files, rows)
		conn := half(t)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		require.NoError(t, conn.Close())
		nothing(t, files, rows)
	})
	t.Run("that come too slowly end with the API's 408", func(t *testing.T) { // F16
		files, rows := len(s.files("uploads")), s.rows("videos")
		a := s.answer(t, half(t))
		require.Equal(t, 408, a.status)
		require.Contains(t, a.body, "REQUEST_TIMEOUT")
		nothing(t, files, rows)
	})
	t.Run("are finished when nginx is asked to quit, and cut when it is ended", func(t *testing.T) { // F29
		conn := half(t)
		s.front.signal(syscall.SIGQUIT)
		require.Eventually(t, func() bool {
			c, err := net.Dial("tcp", s.front.plain)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		}, 5*time.Second, 10*time.Millisecond, "it accepts nobody more")
		_, err := conn.Write(body[len(body)/2:])
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, s.answer(t, conn).status)
		require.Zero(t, s.front.wait(10*time.Second))

		s.front.run(t)
		files, rows := len(s.files("uploads")), s.rows("videos")
		conn = half(t)
		s.front.signal(syscall.SIGTERM)
		require.Zero(t, s.front.wait(10*time.Second))
		nothing(t, files, rows)
		s.front.run(t)
		u.accepted(clipOf(t, 2))
	})
	s.finish()
	s.check()
}

// bytes is how much is in the folder of originals, staged or not.
func (s *site) bytes() (n int64) {
	s.x.Helper()
	_ = filepath.WalkDir(filepath.Join(s.dir, "uploads"), func(_ string, e os.DirEntry, _ error) error {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // it may be gone
			n += info.Size()
		}
		return nil
	})
	return n
}

// dial opens a connection to nginx that ends with the test.
func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.front.plain)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// begin sends the head of an upload.
func (s *site) begin(t *testing.T, u *user, contentType string, length int64) net.Conn {
	t.Helper()
	conn := s.dial(t)
	_, err := io.WriteString(conn, u.head(contentType, length))
	require.NoError(t, err)
	return conn
}

// answer reads the answer on a connection, and ends that.
func (s *site) answer(t *testing.T, conn net.Conn) told {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return s.front.told(t, res, conn)
}

// temporary lists the files of nginx for bodies, also those without a name.
func (f *front) temporary(t *testing.T) (found []string) {
	t.Helper()
	cache := filepath.Join(f.dir, "cache")
	require.NoError(t, filepath.WalkDir(cache, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, path)
		}
		return err
	}))
	for _, pid := range f.workers() {
		open, err := filepath.Glob("/proc/" + pid + "/fd/*")
		require.NoError(t, err)
		require.NotEmpty(t, open)
		for _, fd := range open {
			if path, err := os.Readlink(fd); err == nil && strings.HasPrefix(path, cache) {
				found = append(found, path)
			}
		}
	}
	return found
}
