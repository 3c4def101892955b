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

// settleTime is how long handlers whose connection was cut may clean up.
const settleTime = 3 * time.Second

// HTTP serves srv on ln until ctx ends. Then it closes gate, so that /readyz
// answers 503, keeps accepting for wait so that balancers notice, stops
// accepting without cutting who has connected, if ln shows its socket, and lets
// open requests finish for at most grace; meanwhile each answer ends its
// connection. When waiting ends the channel that Stopping returns closes, so
// that event streams, which must watch it, end first. Requests that last longer
// than grace are cut, and their handlers get a few seconds to clean up: that is
// logged, and a clean stop all the same. Its errors are those of serving.
func HTTP(log *slog.Logger, srv *http.Server, ln net.Listener, gate *Gate, wait, grace time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		// Requests outlive ctx: they may finish within the grace period.
		endStreams := make(chan struct{})
		srv.BaseContext = func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stopping{}, (<-chan struct{})(endStreams))
		}
		var open atomic.Int64
		srv.Handler = counted(srv.Handler, &open, gate)
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
		if err := quiet(context.WithoutCancel(ctx), ln); err != nil {
			log.DebugContext(ctx, "connections that are not accepted yet will be reset", slog.Any("error", err))
		}
		// ctx has ended already: the grace period needs a context of its own.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			log.WarnContext(ctx, "requests cut that lasted longer than the grace", slog.Int64("requests", open.Load()), slog.Duration("grace", grace))
			err = srv.Close()
			settled(&open)
			return err
		}
		return nil
	}
}

// counted keeps count of the requests under way, and ends connections once the
// gate is closed: their next request would find nobody.
func counted(h http.Handler, open *atomic.Int64, gate *Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Add(-1)
		if !gate.Open() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// settled waits until nothing is under way, for a few seconds at most.
func settled(open *atomic.Int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(settleTime)
	for open.Load() > 0 && time.Now().Before(end) {
		<-tick.C
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
