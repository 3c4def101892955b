package videos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestUpload_AcceptsExactlyTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	form := func(n int) string { return movie("a.mp4", content(n)) + value("title", "Triple") + closing }
	for _, lengthless := range []bool{false, true} {
		body := func(n int) io.Reader {
			if lengthless {
				return chunked{strings.NewReader(form(n))}
			}
			return strings.NewReader(form(n))
		}
		before := len(b.left(t))
		a := b.send(t, "POST", "/api/videos/upload", b.user, body(maxTest+1), "Content-Type", formType)
		require.Equal(t, 400, a.status, a.text)
		require.Equal(t, "FILE_TOO_LARGE", a.code)
		require.Contains(t, a.text, "1 MB")
		require.Len(t, b.left(t), before)
		a = b.send(t, "POST", "/api/videos/upload", b.user, body(maxTest), "Content-Type", formType)
		require.Equal(t, 201, a.status, a.text)
		b.stored(t, content(maxTest))
	}
}

// dial opens a bare connection that is closed with the test.
func (b *bundle) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", b.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c.(*net.TCPConn)
}

// head is the head of an upload.
func (b *bundle) head(as uuid.UUID, more string) string {
	return "POST /api/videos/upload HTTP/1.1\r\nHost: anb\r\nAuthorization: Bearer " + as.String() +
		"\r\nContent-Type: " + formType + "\r\n" + more + "\r\n"
}

func answerOn(t *testing.T, c net.Conn) (answer, *bufio.Reader) {
	t.Helper()
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: "POST"})
	require.NoError(t, err)
	return read(t, res), r
}

func TestUpload_EndlessBodyIsReadLittleBeyondTheLimitAndSeesTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	tests := map[string]struct {
		as          uuid.UUID
		start, code string
	}{
		"file too large":  {b.user, movie("a.mp4", nil), "FILE_TOO_LARGE"},
		"field too large": {b.user, value("title", ""), "VALIDATION_FAILED"},
		"unknown field":   {b.user, value("x", ""), "MALFORMED_MULTIPART"},
		"extension":       {b.user, movie("a.exe", nil), "CONTAINER_NOT_ALLOWED"},
		"anonymous":       {uuid.Nil, movie("a.mp4", nil), "UNAUTHENTICATED"},
	}
	for name, tt := range tests {
		b.received.Store(0)
		c := b.dial(t)
		as := b.head(tt.as, "Transfer-Encoding: chunked\r\n")
		if tt.as == uuid.Nil {
			as = strings.Replace(as, uuid.Nil.String(), "expired", 1)
		}
		_, err := io.WriteString(c, as)
		require.NoError(t, err)
		chunk := func(s string) error {
			_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(s), s)
			return err
		}
		require.NoError(t, chunk(strings.TrimSuffix(tt.start, "\r\n")))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			block := string(content(64 << 10))
			for chunk(block) == nil { // until the server closes
			}
		}()
		a, _ := answerOn(t, c)
		require.Equal(t, tt.code, a.code, name)
		<-sent
		require.LessOrEqual(t, b.received.Load(), int64(maxTest+1<<20), name)
		require.Empty(t, b.left(t), name)
	}
}

func TestUpload_HugeContentLengthIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	for _, more := range []string{"", "Expect: 100-continue\r\n"} {
		c := b.dial(t)
		_, err := io.WriteString(c, b.head(b.user, "Content-Length: 5368709120\r\n"+more))
		require.NoError(t, err)
		a, rest := answerOn(t, c) // the first answer: no 100 before it
		require.Equal(t, 400, a.status)
		require.Equal(t, "FILE_TOO_LARGE", a.code)
		if more != "" {
			_, err = rest.ReadByte()
			require.ErrorIs(t, err, io.EOF, "nothing was asked for, so the connection ends at once")
		}
	}
	require.Empty(t, b.left(t))
}

// A client that waits for 100 and then sends on must see its refusal too.
func TestUpload_RefusalAfterContinueIsVisible(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	form := movie("a.exe", content(900_000)) + value("title", "Triple") + closing
	c := b.dial(t)
	_, err := io.WriteString(c, b.head(b.user, fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n", len(form))))
	require.NoError(t, err)
	line := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(c, line)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", string(line))
	_, err = io.WriteString(c, form)
	require.NoError(t, err, "the server takes all of it")
	a, _ := answerOn(t, c)
	require.Equal(t, "CONTAINER_NOT_ALLOWED", a.code)
}

func TestUpload_ExpiredTokenIsSeenByAClientThatOnlyWrites(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	form := value("title", "Triple") + movie("a.mp4", content(maxTest)) + closing
	c := b.dial(t)
	head := strings.Replace(b.head(uuid.Nil, fmt.Sprintf("Content-Length: %d\r\n", len(form))), uuid.Nil.String(), "expired", 1)
	_, err := io.WriteString(c, head+form)
	require.NoError(t, err)
	a, _ := answerOn(t, c)
	require.Equal(t, 401, a.status)
	require.Equal(t, `Bearer realm="anb"`, a.head.Get("WWW-Authenticate"))
	require.Empty(t, b.left(t))
}

// half sends the head and half of an upload and waits until it is on disk.
func (b *bundle) half(t *testing.T) *net.TCPConn {
	t.Helper()
	form := value("title", "Triple") + movie("a.mp4", content(900_000)) + closing
	c := b.dial(t)
	_, err := io.WriteString(c, b.head(b.user, fmt.Sprintf("Content-Length: %d\r\n", len(form)))+form[:len(form)/2])
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		staged, err := filepath.Glob(filepath.Join(b.folder, ".stage", "staged-*"))
		require.NoError(t, err)
		if len(staged) != 1 {
			return false
		}
		info, err := os.Stat(staged[0])
		return err == nil && info.Size() > 0
	}, 5*time.Second, 5*time.Millisecond)
	require.NotEmpty(t, b.left(t))
	return c
}

func TestUpload_ClientThatGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, *net.TCPConn){
		"half closed": func(t *testing.T, c *net.TCPConn) {
			require.NoError(t, c.CloseWrite())
			a, _ := answerOn(t, c)
			require.Equal(t, "MALFORMED_MULTIPART", a.code)
		},
		"closed": func(t *testing.T, c *net.TCPConn) { require.NoError(t, c.Close()) },
		"reset": func(t *testing.T, c *net.TCPConn) {
			require.NoError(t, c.SetLinger(0))
			require.NoError(t, c.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, dbtest.SQLite(t))
			leave(t, b.half(t))
			require.Eventually(t, func() bool { return len(b.left(t)) == 0 }, 5*time.Second, 10*time.Millisecond, "%v", b.left(t))
		})
	}
}

// The form is complete, the request is not: its sender will try again, and the
// video must not be there twice.
func TestUpload_CutShortOfItsAnnouncedLengthLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	form := goodForm(100)
	c := b.dial(t)
	_, err := io.WriteString(c, b.head(b.user, fmt.Sprintf("Content-Length: %d\r\n", len(form)+1000))+form)
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	a, _ := answerOn(t, c)
	require.Equal(t, "MALFORMED_MULTIPART", a.code)
	require.Empty(t, b.left(t))
	require.Zero(t, countVideos(t, b.db))
}

func TestUpload_NamesTheFormatsThatAreAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.Config.Formats = []string{"mp4"} })
	a := b.upload(t, value("title", "x")+movie("a.mov", content(100)))
	require.Equal(t, "CONTAINER_NOT_ALLOWED", a.code)
	require.Contains(t, a.text, "MP4")
	require.NotContains(t, a.text, "MOV")
}

func TestUpload_SilentClientIsCutWith408(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.ReadTimeout = 300 * time.Millisecond })
	a, _ := answerOn(t, b.half(t))
	require.Equal(t, 408, a.status)
	require.Equal(t, "REQUEST_TIMEOUT", a.code)
	require.Empty(t, b.left(t))
}

func TestUpload_SlowClientThatGoesOnIsNotCut(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.ReadTimeout = 500 * time.Millisecond })
	form := value("title", "Triple") + movie("a.mp4", content(8)) + closing
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pieces := make(chan string)
	go func() {
		defer close(pieces)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := range 10 { // twice as long as one read may take
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				pieces <- form[i*len(form)/10 : (i+1)*len(form)/10]
			}
		}
	}()
	a := b.send(t, "POST", "/api/videos/upload", b.user, &pipe{pieces: pieces}, "Content-Type", formType)
	require.Equal(t, 201, a.status, a.text)
}

// pipe reads what comes through a channel.
type pipe struct {
	pieces chan string
	rest   string
}

func (p *pipe) Read(b []byte) (int, error) {
	if p.rest == "" {
		s, ok := <-p.pieces
		if !ok {
			return 0, io.EOF
		}
		p.rest = s
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
