package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/netutil"

	"anb/modules/auth"
	"anb/modules/processing"
	"anb/modules/videos"
	"anb/platform/cache"
	"anb/platform/httpserver"
	"anb/platform/lifecycle"
	"anb/platform/taskbus"
)

// Serve returns the services of the API role. It listens at once, so that a
// taken port is an error here.
func (a *App) Serve(ctx context.Context) ([]lifecycle.Service, error) {
	m, err := a.wire()
	if err != nil {
		return nil, err
	}
	e, err := a.router(m)
	if err != nil {
		return nil, err
	}
	a.tellRoom()
	c := a.config.HTTP
	tcp, err := lifecycle.Listen(ctx, c.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on http.addr: %w", err)
	}
	var ln net.Listener = tcp
	if c.MaxConnections > 0 {
		ln = limited{netutil.LimitListener(tcp, c.MaxConnections), tcp}
	}
	a.log.InfoContext(ctx, "serving the API", slog.String("addr", ln.Addr().String()), slog.String("version", a.version))
	sessions := func(ctx context.Context) error {
		_, err := auth.SweepSessions(ctx, a.db)
		return err
	}
	return []lifecycle.Service{
		{Name: "http", Run: lifecycle.HTTP(a.log, httpserver.Server(c, e, a.log), ln, &a.gate, c.ShutdownDelay, c.ShutdownGrace)},
		{Name: "sessions", Run: lifecycle.Every(a.log, "sessions", a.config.Work.JanitorInterval, sessions)},
	}, nil
}

// limited is a listener that still shows its socket: see lifecycle.HTTP.
type limited struct {
	net.Listener
	syscall.Conn
}

// router holds every route of the API.
func (a *App) router(m modules) (*echo.Echo, error) {
	e, err := httpserver.New(a.config.HTTP, a.log, a.metrics.Request)
	if err != nil {
		return nil, err
	}
	e.Use(httpserver.Limit(a.config.HTTP.MaxRequestBytes))
	m.auth.Routes(e)
	m.videos.Routes(e)
	m.rankings.Routes(e)
	m.client.Routes(e)
	return e, a.metaRoutes(e, m)
}

// Work returns the services of the worker role.
func (a *App) Work(ctx context.Context) ([]lifecycle.Service, error) {
	c := a.config
	encoder, err := processing.OpenEncoder(ctx, c.encoder(), a.tools, c.Processing.CacheDir, a.log)
	if err != nil {
		return nil, err
	}
	catalog := videos.NewCatalog(a.db, cache.New(publicCacheAge, 1, time.Now), time.Now)
	id := processing.WorkerID()
	w, err := processing.NewWorker(processing.WorkerDeps{
		ID: id, Version: a.version, DB: a.db, Bus: a.bus, Videos: catalog, Originals: a.originals, Processed: a.processed, Inspector: a.inspector,
		Encoder: encoder, Queues: c.Work.Queues, Slots: c.Work.Concurrency, Log: a.log, Metrics: a.metrics, Config: c.Processing,
	})
	if err != nil {
		return nil, err
	}
	a.onClose(w.Close)
	a.tellRoom()
	a.metrics.Free("work", w.Free)
	consumer, err := a.bus.NewWorker(taskbus.WorkerOptions{
		ID: id, Queues: c.Work.Queues, Concurrency: c.Work.Concurrency, Drain: c.Work.Drain,
		Tasks: map[string]taskbus.Handler{processing.TaskName: w.Handle},
	})
	if err != nil {
		return nil, err
	}
	janitor := a.janitor(catalog)
	tidy := func(ctx context.Context) error {
		done, err := janitor.Clean(ctx)
		w.Tidied(done, err)
		return errors.Join(w.SweepScratch(ctx), w.ForgetWorkers(ctx), w.ForgetSamples(ctx), err)
	}
	a.healthy = append(a.healthy, func() error { return consumer.Healthy(time.Now()) })
	sample := func(ctx context.Context) error { return errors.Join(w.SampleQueues(ctx), w.SampleSelf(ctx)) }
	a.log.InfoContext(ctx, "working", slog.String("worker", id), slog.Int("concurrency", c.Work.Concurrency),
		slog.Any("queues", c.Work.Queues), slog.String("codec", encoder.Codec()), slog.String("version", a.version))
	return []lifecycle.Service{
		{Name: "consumer", Run: w.Reported(consumer.Run)},
		{Name: "watchdog", Run: watch(consumer, a.bus, a.log)},
		{Name: "orders", Run: lifecycle.Every(a.log, "orders", processing.OrdersInterval, w.Obey(consumer.Adjust))},
		{Name: "sweeper", Run: lifecycle.Every(a.log, "sweeper", c.Processing.SweepInterval, w.Sweep)},
		{Name: "samples", Run: lifecycle.Every(a.log, "samples", processing.SampleInterval, sample)},
		{Name: "janitor", Run: lifecycle.Every(a.log, "janitor", c.Work.JanitorInterval, tidy)},
	}, nil
}

// tellRoom has the metrics tell how much room the storage has.
func (a *App) tellRoom() {
	a.metrics.Free("originals", a.originals.Free)
	a.metrics.Free("processed", a.processed.Free)
}

// errStuck ends a worker that a supervisor should start anew.
var errStuck = errors.New("the consumer has stopped fetching although Redis answers")

// watch ends the process when the consumer has stopped fetching although the
// bus answers.
func watch(w *taskbus.Worker, bus *taskbus.Bus, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for sick := 0; ; {
			select {
			case <-ctx.Done():
				return nil
			case now := <-tick.C:
				err := w.Healthy(now)
				if err == nil {
					sick = 0
					continue
				}
				log.WarnContext(ctx, "consumer is not healthy", slog.Any("error", err))
				if bus.Ping(ctx) != nil {
					sick = 0 // Redis is away; fetching goes on when it is back
				} else if sick++; sick >= 6 {
					return errStuck
				}
			}
		}
	}
}

// WithMetrics adds the listener of /metrics and /healthz, if one is configured.
func (a *App) WithMetrics(ctx context.Context, services []lifecycle.Service) ([]lifecycle.Service, error) {
	if a.config.Metrics.Addr == "" {
		return services, nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.Metrics.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on metrics.addr: %w", err)
	}
	a.log.InfoContext(ctx, "serving metrics", slog.String("addr", ln.Addr().String()))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics)
	mux.HandleFunc("GET /healthz", a.health)
	srv := httpserver.Server(a.config.HTTP, mux, a.log)
	return append(services, lifecycle.Service{
		Name: "metrics", Run: lifecycle.HTTP(a.log, srv, ln, &lifecycle.Gate{}, 0, time.Second),
	}), nil
}

// health answers GET /healthz beside the metrics: 200 while the process does what
// it is for, else 503. That PostgreSQL or Redis is away is no illness of its own: a
// restart would not help, and it goes on by itself.
func (a *App) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	for _, healthy := range a.healthy {
		if err := healthy(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, err.Error()+"\n") // who asked may have gone
			return
		}
	}
	_, _ = io.WriteString(w, "ok\n")
}
