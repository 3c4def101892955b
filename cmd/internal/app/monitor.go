package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/google/uuid"

	"anb/modules/monitor"
	"anb/modules/monitor/access"
	"anb/modules/processing"
	"anb/modules/videos"
	"anb/platform/cache"
	"anb/platform/httpserver"
	"anb/platform/lifecycle"
	"anb/platform/metrics"
	"anb/platform/taskbus"
)

// What the dashboard may take of the database, whatever others are given: it
// must not be what slows the platform down.
const (
	monitorQueryTimeout = 2 * time.Second
	monitorConnections  = 4
)

// OpenMonitor opens what the dashboard needs: neither storage nor ffmpeg. It
// waits for nothing over the network. The configuration must be valid.
func OpenMonitor(ctx context.Context, c Config, version string, log *slog.Logger) (*App, error) {
	c.Database.QueryTimeout = min(c.Database.QueryTimeout, monitorQueryTimeout)
	c.Database.MaxOpen = min(c.Database.MaxOpen, monitorConnections)
	a := &App{config: c, version: version, log: log, metrics: metrics.New(version)}
	if err := a.openServers(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Monitor returns the services of the dashboard. It listens at once, so that a
// taken port is an error here.
func (a *App) Monitor(ctx context.Context) ([]lifecycle.Service, error) {
	c := a.config
	links, err := a.links()
	if err != nil {
		return nil, err
	}
	guard, err := access.New(access.Deps{DB: a.db, Config: c.Monitor.Config, Origins: []string{links.base}, Now: time.Now, Log: a.log})
	if err != nil {
		return nil, err
	}
	catalog := videos.NewCatalog(a.db, cache.New(publicCacheAge, 1, time.Now), time.Now)
	operator, err := processing.NewOperator(processing.OperatorDeps{DB: a.db, Videos: catalog, Bus: a.bus, Config: c.Processing, Now: time.Now, Log: a.log})
	if err != nil {
		return nil, err
	}
	m, err := monitor.New(monitor.Deps{
		DB: a.db, Bus: busView{a.bus}, Control: operator, Links: links, Guard: guard, Explain: c.Upload.Limits.Explain, Registry: a.metrics,
		Queues: c.Work.Queues, Heartbeat: c.Processing.Heartbeat, Version: a.version, Now: time.Now, Log: a.log, Config: c.Monitor,
	})
	if err != nil {
		return nil, err
	}
	e, err := httpserver.New(monitorFrame(c), a.log, a.metrics.Request)
	if err != nil {
		return nil, err
	}
	e.HTTPErrorHandler = m.Errors(e.HTTPErrorHandler)
	if err := m.Routes(e, a.metrics); err != nil {
		return nil, err
	}
	ln, err := lifecycle.Listen(ctx, c.Monitor.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on monitor.addr (another port: --port of anb monitor, --monitor-port of anb dev): %w", err)
	}
	a.log.InfoContext(ctx, "serving the dashboard", slog.String("addr", ln.Addr().String()), slog.String("version", a.version))
	srv := httpserver.Server(c.HTTP, e, a.log)
	return append(m.Services(), lifecycle.Service{
		Name: "dashboard", Run: lifecycle.HTTP(a.log, srv, ln, &lifecycle.Gate{}, 0, c.HTTP.ShutdownGrace),
	}), nil
}

// monitorFrame is the frame of the API for the dashboard: no other site may call
// it, and it believes its own proxies.
func monitorFrame(c Config) httpserver.Config {
	f := c.HTTP
	f.AllowedOrigins, f.TrustedProxies = nil, c.Monitor.TrustedProxies
	return f
}

// busView is what the dashboard sees of the bus.
type busView struct{ bus *taskbus.Bus }

// Messages implements monitor.Bus.
func (b busView) Messages(ctx context.Context, queue string) (waiting, poison int64, err error) {
	s, err := b.bus.Stats(ctx, queue)
	return s.Waiting, s.DeadTotal, err
}

// links makes addresses on the API for the dashboard's pages.
type links struct {
	base string // scheme://host[:port]
	key  []byte // nil: no originals
	ttl  time.Duration
}

// links fails when there is a secret from which no key can be made.
func (a *App) links() (links, error) {
	c := a.config
	l := links{base: c.Monitor.APIURL, ttl: c.Upload.OriginalTTL}
	if l.base == "" {
		l.base = c.HTTP.PublicURL
	}
	if l.base == "" { // a laptop
		_, port, err := net.SplitHostPort(c.HTTP.Addr)
		if err != nil {
			return l, fmt.Errorf("http.addr: %w", err)
		}
		l.base = "http://" + net.JoinHostPort("localhost", port)
	}
	if u, err := url.Parse(l.base); err == nil {
		l.base = u.Scheme + "://" + u.Host
	}
	if c.Auth.JWTSecret == "" {
		return l, nil
	}
	var err error
	l.key, err = signingKey(c)
	return l, err
}

// Poster implements monitor.Links.
func (l links) Poster(key string) string { return l.base + "/processed/" + url.PathEscape(key) }

// Video implements monitor.Links.
func (l links) Video(key string) string { return l.Poster(key) }

// Original implements monitor.Links.
func (l links) Original(video uuid.UUID) string {
	if l.key == nil {
		return ""
	}
	return l.base + videos.OriginalPath(l.key, video, time.Now().Add(l.ttl))
}
