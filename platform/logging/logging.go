// Package logging makes the process's logger.
package logging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Config says what is logged and how.
type Config struct {
	Level  string `mapstructure:"level"`  // debug, info, warn or error
	Format string `mapstructure:"format"` // text or json, on stderr
	Dir    string `mapstructure:"dir"`    // a folder for the lines as JSON too; empty: none
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Level)); err != nil {
		errs = append(errs, fmt.Errorf("log.level is %q; use debug, info, warn or error (ANB_LOG_LEVEL)", c.Level))
	}
	if c.Format != "text" && c.Format != "json" {
		errs = append(errs, fmt.Errorf("log.format is %q; use text or json (ANB_LOG_FORMAT)", c.Format))
	}
	return errors.Join(errs...)
}

// New returns a logger that writes to w and adds the request id that the
// context of a line carries. The configuration must be valid.
func New(w io.Writer, c Config) *slog.Logger {
	if c.Format == "json" {
		return slog.New(handler{slog.NewJSONHandler(w, c.options())})
	}
	return slog.New(handler{slog.NewTextHandler(w, c.options())})
}

// Open returns New's logger, which appends the same lines as JSON to
// anb-<role>-<host>.log in the folder of c, if there is one. A folder that is full,
// slow or not to be written stops nobody: its lines are on w. The caller calls end.
func Open(w io.Writer, c Config, role, host string) (log *slog.Logger, end func()) {
	log = New(w, c)
	if c.Dir == "" {
		return log, func() {}
	}
	f := openFolder(c.Dir, role, host, log)
	return slog.New(handler{slog.NewMultiHandler(log.Handler().(handler).Handler, slog.NewJSONHandler(f, c.options()))}), f.Close
}

func (c Config) options() *slog.HandlerOptions {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // Validate has seen it
	return &slog.HandlerOptions{Level: level}
}

type requestID struct{}

// WithRequestID returns a context whose log lines carry id as request_id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestID{}, id)
}

// RequestID returns the id that ctx carries, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestID{}).(string)
	return id
}

// handler adds the request id to each record.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(as []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(as)} }
func (h handler) WithGroup(name string) slog.Handler    { return handler{h.Handler.WithGroup(name)} }
