package httpserver

import (
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Pace is how slow a client may be.
type Pace struct {
	Read    time.Duration // the longest wait for a piece of the body
	Write   time.Duration // the same for the client taking a piece of the answer
	MinRate int64         // bytes a second that a body must bring; 0: any
}

// Rolling lets a request take as long as it makes progress: a read of the
// returned body fails, with a fault that is answered 408, when nothing comes
// for p.Read, or when less than p.MinRate has come for so long that it amounts
// to the same. Each call of the returned function gives the next write p.Write.
// An answer may follow for as long again.
//
// Only the time in reads counts, in which we wait for the client, and never
// that in which it waits for our disk.
func Rolling(c echo.Context, p Pace) (body io.Reader, extend func()) {
	rc := http.NewResponseController(c.Response())
	extend = func() { _ = rc.SetWriteDeadline(time.Now().Add(p.Write)) } // not supported in tests without a connection
	extend()
	credit := newCredit(p)
	return reader(func(b []byte) (int, error) {
		began := time.Now()
		_ = rc.SetReadDeadline(began.Add(credit.left))
		n, err := c.Request().Body.Read(b)
		credit.read(time.Since(began), n)
		extend()
		return n, tooSlow(err)
	}), extend
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// credit is how much longer a client may be waited for. Waiting uses it up,
// bytes earn it again at the minimum rate, and it never exceeds the longest
// wait: what came quickly at first is no excuse for trickling later.
type credit struct {
	left time.Duration
	most time.Duration
	rate int64 // bytes that earn a second; 0: any byte earns everything
}

func newCredit(p Pace) *credit { return &credit{left: p.Read, most: p.Read, rate: p.MinRate} }

// read accounts for a read of n bytes that took waited.
func (c *credit) read(waited time.Duration, n int) {
	if c.rate <= 0 {
		c.left = c.most
		return
	}
	earned := time.Duration(float64(n) / float64(c.rate) * float64(time.Second))
	c.left = min(c.left-waited+earned, c.most)
}
