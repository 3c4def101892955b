// Package redistest gives tests a Redis of their own, which they may restart
// and kill.
package redistest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"anb/platform/taskbus"
)

// Option changes how Start runs the server.
type Option func(*Server)

// WithoutAOF lets the server forget everything when it stops.
func WithoutAOF() Option { return func(s *Server) { s.aof = "no" } }

// Server is one redis-server process on the loopback address, with a password
// and a directory nobody else knows. Its methods are not safe for concurrent
// use, URL and Addr excepted.
type Server struct {
	tb       testing.TB
	dir      string
	port     int
	password string
	aof      string

	process *os.Process // nil while stopped
	exited  chan struct{}
	output  *output
}

// Start runs a server until the test ends; it also ends with the test's
// process, however that dies. Appended commands are written at once to an
// append-only file, so that Restart finds everything. Without redis-server the
// test is skipped, or fails when ANB_TEST_REQUIRE=1.
func Start(tb testing.TB, options ...Option) *Server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") == "1" {
			tb.Fatal("redis-server is required and not installed")
		}
		tb.Skip("redis-server is not installed")
	}
	s := &Server{tb: tb, dir: tb.TempDir(), password: rand.Text(), aof: "yes"}
	for _, o := range options {
		o(s)
	}
	tb.Cleanup(s.Kill)
	var err error
	for range 5 { // somebody may take the port between our look and our use
		if s.port, err = freePort(); err == nil {
			err = s.launch()
		}
		if err == nil {
			return s
		}
	}
	tb.Fatalf("start redis-server: %v", err)
	return nil
}

// Embedded runs an in-process Redis until the test ends and returns its URL.
func Embedded(tb testing.TB) string {
	tb.Helper()
	e, err := taskbus.StartEmbedded()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return e.URL()
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the address with its password, for taskbus.OpenRedis.
func (s *Server) URL() string { return fmt.Sprintf("redis://:%s@%s/0", s.password, s.Addr()) }

// Stop ends the server as an operator would and waits for its exit.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server without warning and waits for its exit.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Restart starts the server again on the same port and directory, stopping it
// first when it runs.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	var err error
	for range 5 {
		if err = s.launch(); err == nil {
			return
		}
	}
	s.tb.Fatalf("restart redis-server: %v", err)
}

func (s *Server) end(sig os.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(sig) // it may have exited already
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		_ = s.process.Kill()
		<-s.exited
	}
	s.process = nil
}

// launch starts the process and proves that what answers on the port is it.
func (s *Server) launch() error {
	s.output = &output{}
	cmd := exec.Command("redis-server", "-") // a file would show the password to others
	cmd.Stdin = strings.NewReader(s.settings())
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.output, s.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	exited := make(chan struct{})
	go func() {
		// The signal comes when this thread ends, not only when the process does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ends is the test's doing
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.exited = cmd.Process, exited
	err := s.prove()
	if err != nil {
		s.Kill()
		return fmt.Errorf("%w; it said: %s", err, s.output)
	}
	return nil
}

func (s *Server) settings() string {
	return fmt.Sprintf("port %d\nbind 127.0.0.1\nrequirepass %s\ndir %s\nsave \"\"\nappendonly %s\nappendfsync always\ndaemonize no\n",
		s.port, s.password, s.dir, s.aof)
}

// prove waits until the port answers to our password with our process id.
func (s *Server) prove() error {
	ctx, cancel := context.WithTimeout(s.tb.Context(), 10*time.Second)
	defer cancel()
	c, err := taskbus.OpenRedis(ctx, s.URL())
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	want := "process_id:" + strconv.Itoa(s.process.Pid) + "\r\n"
	for {
		info, err := c.Info(ctx, "server").Result()
		if err == nil && strings.Contains(info, want) {
			return c.Ping(ctx).Err()
		}
		if err == nil {
			return fmt.Errorf("another server answers on port %d", s.port)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("redis-server exited: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", err)
		case <-tick.C:
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// output keeps what the server prints; it is read while being written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
