// Package app is the composition root: it opens what the roles need, wires the
// modules to each other, and closes everything in reverse.
package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"anb/db"
	"anb/modules/auth"
	"anb/modules/processing"
	"anb/modules/rankings"
	"anb/modules/videos"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/ffmpeg"
	"anb/platform/lifecycle"
	"anb/platform/metrics"
	"anb/platform/storage"
	"anb/platform/taskbus"
)

// App holds what is open. Close it after use.
type App struct {
	config    Config
	version   string
	log       *slog.Logger
	db        *database.DB
	redis     redis.UniversalClient
	bus       *taskbus.Bus
	originals storage.Store
	processed storage.Store
	tools     *ffmpeg.Tools
	inspector *processing.Inspector
	metrics   *metrics.Registry
	gate      lifecycle.Gate
	healthy   []func() error // of the roles that run; each fails while its role does not work
	closers   []func() error
}

// Open opens the resources that serve and work share. It waits for nothing
// over the network. The configuration must be valid.
func Open(ctx context.Context, c Config, version string, log *slog.Logger) (_ *App, err error) {
	a := &App{config: c, version: version, log: log, metrics: metrics.New(version)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.tools, err = ffmpeg.New(c.FFmpeg, log); err != nil {
		return nil, err
	}
	if a.inspector, err = processing.NewInspector(c.Upload.Limits, a.tools); err != nil {
		return nil, err
	}
	if err = a.openServers(ctx); err != nil {
		return nil, err
	}
	if a.originals, err = storage.Open(ctx, c.Storage.originals()); err != nil {
		return nil, fmt.Errorf("originals: %w", err)
	}
	a.onClose(a.originals.Close)
	if a.processed, err = storage.Open(ctx, c.Storage.processed()); err != nil {
		return nil, fmt.Errorf("processed: %w", err)
	}
	a.onClose(a.processed.Close)
	return a, nil
}

// openServers opens the database and the bus, and has the metrics tell of them.
func (a *App) openServers(ctx context.Context) (err error) {
	if a.db, err = database.Open(a.config.Database, a.log); err != nil {
		return err
	}
	a.onClose(a.db.Close)
	if a.redis, err = taskbus.OpenRedis(ctx, a.config.Redis.URL); err != nil {
		return err
	}
	a.onClose(a.redis.Close)
	if a.bus, err = taskbus.New(taskbus.Options{Redis: a.redis, Log: a.log}); err != nil {
		return err
	}
	pool, err := a.db.SQL()
	if err != nil {
		return err
	}
	a.metrics.Dependency("database", a.db.Ping)
	a.metrics.Dependency("redis", a.bus.Ping)
	return a.metrics.Register(collectors.NewDBStatsCollector(pool, "anb"))
}

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// Close closes everything in reverse order.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// startWait is how long a role waits for the database when it starts.
const startWait = time.Minute

// storageWait is how long a role that starts waits for each storage to answer.
const storageWait = 5 * time.Second

// Ready waits until the database answers, and fails when its schema is older
// than this program needs, or a storage refuses it.
func (a *App) Ready(ctx context.Context) error {
	pool, err := a.db.SQL()
	if err != nil {
		return err
	}
	if err := a.welcome(ctx); err != nil {
		return err
	}
	return WaitFor(ctx, a.log, "database", func(ctx context.Context) error {
		if err := a.db.Ping(ctx); err != nil {
			return err
		}
		err := db.Check(ctx, pool, string(a.db.Dialect()))
		if errors.Is(err, db.ErrOldSchema) {
			return final{err}
		}
		return err
	})
}

// welcome fails when a storage refuses this program, which waiting would not
// mend. One that is away is only told of: reading and voting go on without, and
// jobs wait.
func (a *App) welcome(ctx context.Context) error {
	for name, s := range map[string]storage.Store{"originals": a.originals, "processed": a.processed} {
		if s == nil { // the dashboard needs none
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, storageWait)
		err := s.Check(ctx)
		cancel()
		if errors.Is(err, storage.ErrRefused) {
			return fmt.Errorf("storage.%s: %w", name, err)
		}
		if err != nil {
			a.log.WarnContext(ctx, "storage is not ready", slog.String("storage", name), slog.Any("error", err))
		}
	}
	return nil
}

// final is an error for which waiting is no use.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// WaitFor calls f until it succeeds, with growing pauses, for at most a minute.
func WaitFor(ctx context.Context, log *slog.Logger, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	pause := 100 * time.Millisecond
	for {
		err := f(ctx)
		var hopeless final
		if err == nil || errors.As(err, &hopeless) {
			return err
		}
		log.WarnContext(ctx, "waiting for "+what, slog.Any("error", err), slog.Duration("again_in", pause))
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%s not reachable within %s: %w", what, startWait, err)
		case <-t.C:
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// modules are the product, wired.
type modules struct {
	auth     *auth.Module
	catalog  *videos.Catalog
	videos   *videos.Module
	rankings *rankings.Module
	client   *processing.Client
}

// publicCacheAge is how stale a public list may be; the contract allows two
// seconds.
const (
	publicCacheAge  = time.Second
	publicCacheSize = 4096
)

// wire builds the modules that serve needs.
func (a *App) wire() (m modules, err error) {
	c := a.config
	public := cache.New(publicCacheAge, publicCacheSize, time.Now)
	m.catalog = videos.NewCatalog(a.db, public, time.Now)
	if m.client, err = processing.NewClient(c.Processing, c.Upload.Limits, a.inspector, a.db, a.bus, time.Now, a.log); err != nil {
		return m, err
	}
	everyone := &directory{videos: m.catalog}
	if m.auth, err = auth.New(auth.Deps{DB: a.db, Directory: everyone, Config: c.Auth, Now: time.Now, Log: a.log}); err != nil {
		return m, err
	}
	m.rankings, err = rankings.New(rankings.Deps{DB: a.db, Public: public, Require: m.auth.Require, Log: a.log, Config: c.Voting})
	if err != nil {
		return m, err
	}
	everyone.rankings = m.rankings
	key, err := signingKey(c)
	if err != nil {
		return m, err
	}
	m.videos, err = videos.New(videos.Deps{
		DB: a.db, Originals: a.originals, Processed: a.processed, Inspector: m.client, Queue: m.client, Reason: m.client.Explain,
		Public: public, SigningKey: key, PublicURL: c.HTTP.PublicURL, Require: m.auth.Require, Now: time.Now, Log: a.log,
		ReadTimeout: c.HTTP.ReadTimeout, MinRate: c.HTTP.MinRate, SendTimeout: c.HTTP.WriteTimeout, Metrics: a.metrics,
		Config: videos.Config{
			MaxBytes: c.Upload.MaxBytes, Formats: c.Upload.Formats, OriginalTTL: c.Upload.OriginalTTL, RepeatWindow: c.Upload.RepeatWindow,
			PerPlayer: c.Upload.PerPlayer, AtOnce: c.Upload.AtOnce, Reserve: c.Upload.Reserve,
		},
	})
	return m, err
}

// signingKey signs addresses of originals.
func signingKey(c Config) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(c.Auth.JWTSecret), nil, "anb signed addresses", 32)
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	return key, nil
}

// directory tells the modules that keep copies of a player's profile.
type directory struct {
	videos   *videos.Catalog
	rankings *rankings.Module
}

// PlayerChanged locks videos before totals, as a vote does.
func (d *directory) PlayerChanged(ctx context.Context, p auth.Player) error {
	if err := d.videos.PlayerChanged(ctx, p.ID, p.Name, p.City); err != nil {
		return err
	}
	return d.rankings.PlayerChanged(ctx, p.ID, p.City)
}
