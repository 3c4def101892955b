package lifecycle

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
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
