package lifecycle

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served is a server under HTTP.
type served struct {
	url    string
	gate   *Gate
	stop   context.CancelFunc
	ended  chan error
	client *http.Client
}

func start(t *testing.T, h http.Handler, wait, grace time.Duration) *served {
	t.Helper()
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	return startOn(t, ln, h, wait, grace)
}

func startOn(t *testing.T, ln net.Listener, h http.Handler, wait, grace time.Duration) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{"http://" + ln.Addr().String(), &Gate{}, cancel, make(chan error, 1), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	run := HTTP(slog.New(slog.DiscardHandler), &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}, ln, s.gate, wait, grace)
	go func() { s.ended <- run(ctx) }()
	t.Cleanup(cancel)
	return s
}

// get returns the body, or the error of getting it.
func (s *served) get(t *testing.T) (string, error) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url, nil)
	if err != nil {
		return "", err
	}
	a, err := s.client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	return string(b), err
}

type result struct {
	body string
	err  error
}

// async is get in the background.
func (s *served) async(t *testing.T) <-chan result {
	done := make(chan result, 1)
	go func() {
		body, err := s.get(t)
		done <- result{body, err}
	}()
	return done
}

func TestHTTP_ARequestUnderWayIsCutAfterTheGraceAndCleansUp(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	var clean atomic.Bool
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()                // ends only because the connection is cut
		<-time.After(50 * time.Millisecond) // removing a file takes its time
		clean.Store(true)
	}), 0, 100*time.Millisecond)
	answer := s.async(t)
	<-arrived
	s.stop()
	require.NoError(t, <-s.ended)
	require.True(t, clean.Load(), "the handler had time to clean up")
	require.Error(t, (<-answer).err)
}

func TestHTTP_ARequestUnderWayFinishesWithinTheGrace(t *testing.T) {
	t.Parallel()
	arrived, let := make(chan struct{}), make(chan struct{})
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-let
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "whole")
		}
	}), 0, time.Minute)
	answer := s.async(t)
	<-arrived
	s.stop()
	require.Eventually(t, func() bool { return refused(s) }, 10*time.Second, 5*time.Millisecond, "nothing new is accepted")
	close(let)
	require.Equal(t, result{"whole", nil}, <-answer)
	require.NoError(t, <-s.ended)
}

func refused(s *served) bool {
	c, err := net.Dial("tcp", s.url[len("http://"):])
	if err == nil {
		_ = c.Close()
	}
	return err != nil
}

func TestHTTP_ClosesTheGateFirstAndStillAcceptsMeanwhile(t *testing.T) {
	t.Parallel()
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-Stopping(r.Context()):
			_, _ = io.WriteString(w, "stopping")
		default:
			_, _ = io.WriteString(w, "serving")
		}
	}), time.Second, time.Minute)
	require.True(t, s.gate.Open())
	s.stop()
	require.Eventually(t, func() bool { return !s.gate.Open() }, 10*time.Second, time.Millisecond)
	body, err := s.get(t)
	require.NoError(t, err)
	require.Equal(t, "serving", body, "streams go on while balancers take notice")
	require.NoError(t, <-s.ended)
	require.True(t, refused(s))
}

func TestHTTP_StreamsEndBeforeTheServerWaitsForThem(t *testing.T) {
	t.Parallel()
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		<-Stopping(r.Context())
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "last")
		}
	}), 0, time.Minute)
	r, err := s.client.Get(s.url)
	require.NoError(t, err)
	began := time.Now()
	s.stop()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, "first last", string(body))
	require.NoError(t, <-s.ended)
	require.Less(t, time.Since(began), 30*time.Second)
}

// hesitant is a listener whose server comes to accepting late.
type hesitant struct {
	*net.TCPListener
	late time.Duration
}

func (h hesitant) Accept() (net.Conn, error) {
	<-time.After(h.late)
	return h.TCPListener.Accept()
}

func TestHTTP_WhoHasConnectedIsServedAlthoughItStops(t *testing.T) {
	t.Parallel()
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	s := startOn(t, hesitant{ln, 300 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "whole")
	}), 0, time.Minute)
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: anb\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	s.stop()
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "whole")
	require.NoError(t, <-s.ended)
}

func TestHTTP_WhoComesWhileItStopsIsRefusedAndNotReset(t *testing.T) {
	t.Parallel()
	s := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), 0, time.Minute)
	var clients sync.WaitGroup
	var served atomic.Int64
	for range 8 {
		clients.Go(func() {
			for {
				if _, err := s.get(t); errors.Is(err, syscall.ECONNREFUSED) {
					return
				} else if err != nil {
					t.Errorf("cut: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return served.Load() > 100 }, 10*time.Second, time.Millisecond)
	s.stop()
	clients.Wait()
	require.NoError(t, <-s.ended)
}

func TestHTTP_FailsWhenItsListenerDoes(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorIs(t, HTTP(slog.New(slog.DiscardHandler), &http.Server{ReadHeaderTimeout: time.Second}, ln, &Gate{}, 0, time.Second)(t.Context()), net.ErrClosed)
}

func TestStopping_IsNeverReadyOutsideAServer(t *testing.T) {
	t.Parallel()
	require.Nil(t, Stopping(t.Context()))
}
