// Package rankings counts votes: one per account and video, under any race,
// and the players' order that they make.
package rankings

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/cache"
	"anb/platform/database"
)

// Config says when and for what one may vote.
type Config struct {
	OpensAt  string `mapstructure:"opens_at"`  // RFC 3339; empty: since ever
	ClosesAt string `mapstructure:"closes_at"` // RFC 3339, exclusive; empty: for ever
	OwnVideo bool   `mapstructure:"own_video"` // whether a player may vote for an own video
}

// Window is the time in which votes count; a zero end is open.
type Window struct{ Opens, Closes time.Time }

// Window reads the configured times.
func (c Config) Window() (w Window, err error) {
	parse := func(key, s string) (t time.Time) {
		if s == "" {
			return t
		}
		t, e := time.Parse(time.RFC3339, s)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("voting.%s %q is not a time such as 2026-11-30T18:00:00-05:00", key, s))
		}
		return t.UTC()
	}
	w = Window{Opens: parse("opens_at", c.OpensAt), Closes: parse("closes_at", c.ClosesAt)}
	if err == nil && !w.Opens.IsZero() && !w.Closes.IsZero() && !w.Opens.Before(w.Closes) {
		err = errors.New("voting.closes_at must be after voting.opens_at")
	}
	return w, err
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	_, err := c.Window()
	return err
}

// Deps are what the module needs; all are required.
type Deps struct {
	DB      *database.DB
	Public  *cache.Cache        // caches public reads; a vote expires it
	Require echo.MiddlewareFunc // refuses anonymous requests
	Log     *slog.Logger
	Config  Config
}

// Module is the rankings module.
type Module struct {
	Deps
	store  store
	window Window
}

// New wires the module; it fails when a dependency is missing.
func New(d Deps) (*Module, error) {
	if d.DB == nil || d.Public == nil || d.Require == nil || d.Log == nil {
		return nil, errors.New("rankings: a dependency is missing")
	}
	w, err := d.Config.Window()
	if err != nil {
		return nil, err
	}
	return &Module{Deps: d, store: store{d.DB}, window: w}, nil
}
