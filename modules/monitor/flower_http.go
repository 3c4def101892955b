package monitor

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

// flowerRoutes registers the part of Flower's API that scripts call: see lets
// viewers pass, do operators. The words are Flower's own, since scripts look for
// them. Workers go by their ids, without "celery@". A task is a job, its args are
// the id of its video.
func (m *Module) flowerRoutes(e *echo.Echo, see, do echo.MiddlewareFunc) {
	for path, h := range map[string]echo.HandlerFunc{
		"/workers": m.flowerWorkers, "/tasks": m.flowerTasks, "/task/info/:id": m.flowerTask, "/task/types": m.flowerTypes,
		"/queues/length": m.flowerLengths, "/task/result/:id": m.flowerResult,
	} {
		httpserver.GET(e, "/api"+path, h, see)
	}
	for path, h := range map[string]echo.HandlerFunc{
		"/task/async-apply/:name": m.flowerSubmit, "/task/send-task/:name": m.flowerSubmit, "/task/revoke/:id": m.flowerRevoke,
		"/worker/shutdown/:worker": m.flowerShutdown, "/worker/pool/grow/:worker": m.flowerResize(1),
		"/worker/pool/shrink/:worker": m.flowerResize(-1), "/worker/pool/autoscale/:worker": m.flowerAutoscale,
		"/worker/queue/add-consumer/:worker": m.flowerConsume(true), "/worker/queue/cancel-consumer/:worker": m.flowerConsume(false),
		"/worker/pool/restart/:worker": flowerLacks("pool restart"), "/task/apply/:name": flowerLacks("apply (use async-apply)"),
		"/task/timeout/:name": flowerLacks("timeout"), "/task/rate-limit/:name": flowerLacks("rate limit"),
		"/task/abort/:id": flowerLacks("abort (use revoke with terminate=true)"),
	} {
		e.POST("/api"+path, h, do)
	}
}

// flowerCall reports whether a request is one of a script for Flower.
func flowerCall(c echo.Context) bool {
	path := c.Request().URL.Path
	if path == "/workers" {
		return c.QueryParam("json") == "1"
	}
	return strings.HasPrefix(path, "/api/") && path != apiRoot && !strings.HasPrefix(path, apiRoot+"/")
}

// flowerError is an answer in Flower's words.
type flowerError struct {
	status int
	text   string
}

// Error implements error.
func (e *flowerError) Error() string { return e.text }

// refuse makes a flowerError. What a client has written goes through quoted.
func refuse(status int, text string) error { return &flowerError{status, text} }

// quoted is a client's text, short and without markup, for an answer.
func quoted(s string) string {
	s = strings.Map(func(r rune) rune {
		if control(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 64 {
		s = string(r[:64]) + "…"
	}
	return "'" + html.EscapeString(s) + "'"
}

func unknownTask(id string) error {
	return refuse(http.StatusNotFound, "Unknown task "+quoted(id))
}

func unknownWorker(id string) error {
	return refuse(http.StatusNotFound, "Unknown worker "+quoted(id))
}

func badArgument(name string) error {
	return refuse(http.StatusBadRequest, "Invalid argument: "+name)
}

// flowerLacks answers what has no counterpart here.
func flowerLacks(what string) echo.HandlerFunc {
	return func(echo.Context) error { return refuse(http.StatusNotImplemented, "Not supported here: "+what) }
}

// answerFlower answers err as Flower does: plain text.
func (m *Module) answerFlower(err error, c echo.Context) {
	var own *flowerError
	status, text := 0, ""
	if errors.As(err, &own) {
		status, text = own.status, own.text
	} else {
		f := httpserver.Fault(err)
		status, text = httpserver.Status(f), f.Message
		if f.Kind == fault.TooMany || f.Kind == fault.Unavailable {
			c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(max(f.RetryAfter, time.Second).Seconds()))))
		}
		if status >= http.StatusInternalServerError && c.Request().Context().Err() == nil {
			m.deps.Log.ErrorContext(c.Request().Context(), "request failed", slog.String("route", c.Path()), slog.Int("status", status), slog.Any("error", err))
		}
	}
	if err := c.String(status, text); err != nil {
		m.deps.Log.DebugContext(c.Request().Context(), "client went away", slog.String("route", c.Path()), slog.Any("error", err))
	}
}

// argument is a parameter of the address or of a form, at most once, without
// characters that nobody stores.
func argument(c echo.Context, name string) (string, error) {
	form, err := c.FormParams() // both
	if err != nil {
		return "", badArgument(name)
	}
	return one(form, name)
}

func one(q url.Values, name string) (string, error) {
	if len(q[name]) > 1 || strings.ContainsFunc(q.Get(name), control) {
		return "", badArgument(name)
	}
	return q.Get(name), nil
}

// whole reads a whole number of at least least; fallback when it is absent.
func whole(c echo.Context, name string, fallback, least int) (int, error) {
	s, err := argument(c, name)
	if err != nil || s == "" {
		return fallback, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > 1<<30 {
		return 0, badArgument(name)
	}
	return n, nil
}

// flag reads what is true or false; Flower's scripts write it in many ways.
func flag(c echo.Context, name string) (bool, error) {
	s, err := argument(c, name)
	switch strings.ToLower(s) {
	case "", "0", "false", "no":
		return false, err
	case "1", "true", "yes":
		return true, err
	}
	return false, badArgument(name)
}

type flowerMessage struct {
	Message string `json:"message"`
}

// said answers a command that was obeyed.
func said(c echo.Context, text string) error { return c.JSON(http.StatusOK, flowerMessage{text}) }

// unixTime is a time as Flower writes it; nil for none.
func unixTime(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	f := float64(t.UnixMicro()) / 1e6
	return &f
}

// freshen waits for a newer snapshot when the script asks for one.
func (m *Module) freshen(ctx context.Context, wanted bool) {
	if wanted {
		m.collector.fresh(ctx)
	}
}
