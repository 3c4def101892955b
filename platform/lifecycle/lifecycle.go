// Package lifecycle runs the long-lived parts of a role: each has a name, an
// end, and someone who waits for it.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Service is one long-lived part. Run returns nil when ctx has ended and it
// has stopped cleanly; any other return stops the services beside it.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

// Run runs all services until ctx ends or the first of them fails, then ends
// the others, and waits for every one. The errors are joined; a clean stop is
// nil. A service that returns nil early stops the rest as well.
func Run(ctx context.Context, log *slog.Logger, services ...Service) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(services))
	var wg sync.WaitGroup
	for i, s := range services {
		wg.Go(func() {
			defer cancel()
			if err := s.Run(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.Name, err)
				log.ErrorContext(ctx, "service failed", slog.String("service", s.Name), slog.Any("error", err))
				return
			}
			log.DebugContext(ctx, "service stopped", slog.String("service", s.Name))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Every returns a service function that calls f at once and then with pause d
// between the end of one call and the start of the next. The first error of a
// row is logged, and that it is over; what fails each second must not fill logs.
func Every(log *slog.Logger, name string, d time.Duration, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(0)
		defer timer.Stop()
		failing := false
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
			err := f(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil && !failing:
				log.WarnContext(ctx, "periodic work failed, will try again", slog.String("service", name), slog.Any("error", err))
			case err == nil && failing:
				log.InfoContext(ctx, "periodic work succeeds again", slog.String("service", name))
			}
			failing = err != nil
			timer.Reset(d)
		}
	}
}

// Gate is the readiness switch of a role: closed first thing on shutdown.
// The zero value is open. It is safe for concurrent use.
type Gate struct{ closed atomic.Bool }

// Close makes Open report false from now on.
func (g *Gate) Close() { g.closed.Store(true) }

// Open reports whether the role still takes new work.
func (g *Gate) Open() bool { return !g.closed.Load() }

// HTTP serves srv on ln until ctx ends. Then it closes gate, so that /readyz
// answers 503, keeps accepting for wait so that balancers notice, and lets
// open requests finish for at most grace. When waiting ends the channel that
// Stopping returns closes, so that event streams, which must watch it, end first.
func HTTP(srv *http.Server, ln net.Listener, gate *Gate, wait, grace time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		// Requests outlive ctx: they may finish within the grace period.
		endStreams := make(chan struct{})
		srv.BaseContext = func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stopping{}, (<-chan struct{})(endStreams))
		}
		failed := make(chan error, 1)
		go func() { failed <- srv.Serve(ln) }()
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
		gate.Close()
		pause := time.NewTimer(wait)
		defer pause.Stop()
		select {
		case err := <-failed:
			return err
		case <-pause.C:
		}
		close(endStreams)
		// ctx has ended already: the grace period needs a context of its own.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return errors.Join(fmt.Errorf("requests still open after %s were cut: %w", grace, err), srv.Close())
		}
		return nil
	}
}

type stopping struct{}

// Stopping returns a channel that closes when the server that made ctx begins
// to shut down. Streams without an end of their own must return then. It is
// nil, and so never ready, outside such a server.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stopping{}).(<-chan struct{})
	return c
}
