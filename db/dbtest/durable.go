package dbtest

import (
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Durable is a PostgreSQL server of one test, on the loopback address, that
// keeps what it has acknowledged, and that the test may end and start again.
type Durable struct {
	*Server
	tb testing.TB
}

// StartDurable runs a server until the test ends.
func StartDurable(tb testing.TB) *Durable {
	tb.Helper()
	requirePostgres(tb)
	var err error
	for range 5 { // somebody may take the port between our look and our use
		var s *Server
		var port int
		if port, err = freePort(); err == nil {
			s, err = begin(port)
		}
		if err == nil {
			tb.Cleanup(func() { require.NoError(tb, s.Stop()) })
			return &Durable{Server: s, tb: tb}
		}
	}
	require.NoError(tb, err)
	return nil
}

// Create makes an empty database and returns its address.
func (d *Durable) Create(name string) string {
	d.tb.Helper()
	require.NoError(d.tb, d.exec("CREATE DATABASE "+name))
	return d.URL(name)
}

// Kill ends the server at once, as a crash would, and waits for its end. It
// returns how it ended.
func (d *Durable) Kill() error { return d.end(syscall.SIGQUIT) }

// Quit ends the server cleanly: open transactions are rolled back.
func (d *Durable) Quit() error { return d.end(syscall.SIGINT) }

// Launch starts an ended server again, on the same address and data.
func (d *Durable) Launch() {
	d.tb.Helper()
	var err error
	for range 5 {
		if err = d.launch(); err == nil {
			if err = d.answers(); err == nil {
				return
			}
		}
	}
	require.NoError(d.tb, fmt.Errorf("launch postgres again: %w", err))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Log is what the server has logged so far.
func (d *Durable) Log() string { return readAll(filepath.Join(d.dir, "log")) }
