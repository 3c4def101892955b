//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

func clientFaults() []faultCase {
	return []faultCase{
		{"F18", "clients that go away in the middle of an upload: FIN, RST, a proxy that cuts after 100 kB", "no row and no file within 5 s, nothing stays open", true, uploadsBroken},
		{"F45", "a token that ends while its upload is under way, and one that has ended before", "201; 401 before the body is read, and the client sees it", true, tokenEnds},
		{"F47", "uploads that are too large: announced, endless in chunks, just over the limit", "the client sees 400 FILE_TOO_LARGE, and little more than the limit is read", true, refusalsSeen},
	}
}

// dial opens a connection to a server.
func dial(x *experiment, base string) *net.TCPConn {
	x.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(x, err)
	return c.(*net.TCPConn)
}

// head is the beginning of an upload of n bytes; n < 0 means chunks.
func (u *user) head(contentType string, n int64) string {
	length := fmt.Sprintf("Content-Length: %d", n)
	if n < 0 {
		length = "Transfer-Encoding: chunked"
	}
	return "POST /api/videos/upload HTTP/1.1\r\nHost: anb\r\nAuthorization: Bearer " + u.token +
		"\r\nContent-Type: " + contentType + "\r\n" + length + "\r\n\r\n"
}

func uploadsBroken(x *experiment) {
	r := newRig(x)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	r.settle(api, u)
	body, contentType := form("Se corta", "clip.mp4", append(clip, make([]byte, 1<<20)...))
	front := newLink(x.T, strings.TrimPrefix(u.base, "http://"))
	half := func() *net.TCPConn { // of an upload, received and staged
		c := dial(x, u.base)
		_, err := c.Write(append([]byte(u.head(contentType, int64(len(body)))), body[:len(body)/2]...))
		require.NoError(x, err)
		x.eventually(10*time.Second, "nothing is staged", func() bool { return len(r.files("uploads")) == 1 })
		return c
	}
	ends := map[string]func(){
		"FIN": func() { require.NoError(x, half().Close()) },
		"RST": func() {
			c := half()
			require.NoError(x, c.SetLinger(0))
			require.NoError(x, c.Close())
		},
		"a proxy that cuts after 100 kB": func() {
			front.toxic("limit_data", "upstream", `{"bytes": 100000}`)
			answer := u.at("http://"+front.Listen).call(http.MethodPost, "/api/videos/upload", bytes.NewReader(body), "Content-Type", contentType)
			require.NotEqual(x, http.StatusCreated, answer.status)
			front.thaw()
		},
	}
	ended := func() (n int) { // uploads that the server is done with
		for _, m := range regexp.MustCompile(`(?m)^anb_http_request_seconds_count\{.*route="/api/videos/upload".*\} (\d+)$`).FindAllStringSubmatch(x.metrics(api), -1) {
			k, _ := strconv.Atoi(m[1])
			n += k
		}
		return n
	}
	for range x.rounds(3, 30) / 3 {
		for how, end := range ends {
			before := ended()
			end()
			at := time.Now()
			x.occurred("half of the body had arrived when the connection ended by %s", how)
			x.eventually(5*time.Second, "the request goes on", func() bool { return ended() == before+1 })
			x.recovered(at)
			require.Empty(x, r.files("uploads"), "a file stays")
		}
	}
	u.accepted(clipOf(x.T, 2))
	r.finish()
	r.check()
}

// paced sends a body in pieces with pauses, which end with ctx.
func paced(ctx context.Context, body []byte, pieces int, over time.Duration) io.Reader {
	read, write := io.Pipe()
	go func() {
		tick := time.NewTicker(over / time.Duration(pieces))
		defer tick.Stop()
		size := (len(body) + pieces - 1) / pieces
		for len(body) > 0 {
			n := min(size, len(body))
			if _, err := write.Write(body[:n]); err != nil {
				return
			}
			body = body[n:]
			select {
			case <-ctx.Done():
				_ = write.CloseWithError(ctx.Err())
				return
			case <-tick.C:
			}
		}
		_ = write.Close()
	}()
	return read
}

func tokenEnds(x *experiment) {
	r := newRig(x, "ANB_AUTH_TOKEN_TTL=3s")
	api := r.serve()
	clip := contentOf(x, clipOf(x.T, 2))
	for range x.rounds(1, 5) {
		u := r.book.join(api.base(), "ana")
		began := time.Now()
		answer := u.send(r.book.key(), clip, func(b []byte) io.Reader { return paced(x.Context(), b, 10, 10*time.Second) })
		require.Equal(x, http.StatusCreated, answer.status, "%v %v", answer.body, answer.err)
		took := time.Since(began)
		require.Greater(x, took, 9*time.Second)
		x.occurred("the upload took three times as long as the token lived")

		// Ended before: the answer comes although the body has not been sent.
		c := dial(x, u.base)
		_, err := io.WriteString(c, u.head("multipart/form-data; boundary=b", 10<<20))
		require.NoError(x, err)
		require.NoError(x, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		got := make([]byte, 15)
		_, err = io.ReadFull(c, got)
		require.NoError(x, err)
		require.Equal(x, "HTTP/1.1 401 Un", string(got))
		require.NoError(x, c.Close())
		x.occurred("401 was read before a byte of the body was sent")
		// And when everything is sent at once, as browsers do, it is seen too.
		body, contentType := form("Tarde", "clip.mp4", make([]byte, 3<<20))
		late := u.call(http.MethodPost, "/api/videos/upload", bytes.NewReader(body), "Content-Type", contentType)
		require.Equal(x, http.StatusUnauthorized, late.status, "%v", late.err)
	}
	r.finish()
	r.check()
}

func refusalsSeen(x *experiment) {
	const limit = 1 << 20
	r := newRig(x, fmt.Sprint("ANB_UPLOAD_MAX_BYTES=", limit))
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	r.settle(api, u)
	front, contentType := form("Grande", "clip.mp4", nil)
	front = front[:bytes.LastIndex(front, []byte("\r\n--"))]
	for range x.rounds(1, 5) {
		// An honest client with a file that is a little too large.
		body, kind := form("Grande", "clip.mp4", make([]byte, limit+1))
		answer := u.call(http.MethodPost, "/api/videos/upload", bytes.NewReader(body), "Content-Type", kind)
		require.Equal(x, http.StatusBadRequest, answer.status, "%v", answer.err)
		require.Equal(x, "FILE_TOO_LARGE", answer.text("code"))

		for how, n := range map[string]int64{"5 GB announced": 5 << 30, "an endless body in chunks": -1} {
			c := dial(x, u.base)
			// No large buffers of the kernel between us and what is counted.
			require.NoError(x, c.SetWriteBuffer(64<<10))
			_, err := io.WriteString(c, u.head(contentType, n))
			require.NoError(x, err)
			if n < 0 {
				_, err = fmt.Fprintf(c, "%x\r\n%s\r\n", len(front), front)
			} else {
				_, err = c.Write(front)
			}
			require.NoError(x, err)
			seen := make(chan string, 1)
			go func() {
				got, _ := io.ReadAll(io.LimitReader(c, 64<<10)) // until the connection ends, however
				seen <- string(got)
			}()
			chunk := make([]byte, 16<<10)
			var sent int64
			require.NoError(x, c.SetWriteDeadline(time.Now().Add(30*time.Second)))
			for sent < 64<<20 {
				if n < 0 {
					_, err = fmt.Fprintf(c, "%x\r\n%s\r\n", len(chunk), chunk)
				} else {
					_, err = c.Write(chunk)
				}
				if err != nil {
					break
				}
				sent += int64(len(chunk))
			}
			require.Error(x, err, "the server reads on and on")
			got := <-seen
			require.Contains(x, got, "HTTP/1.1 400", "%s: the answer was not seen", how)
			require.Contains(x, got, "FILE_TOO_LARGE")
			// Buffers of the kernel on both sides hold what was sent and never read.
			require.Less(x, sent, int64(limit+8<<20), how)
			require.NoError(x, c.Close())
			x.occurred("%s: refused after at most %d MiB were sent", how, sent>>20+1)
		}
	}
	require.Empty(x, r.files("uploads"))
	u.accepted(clipOf(x.T, 2))
	r.finish()
	r.check()
}
