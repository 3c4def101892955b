package app

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"anb/db"
	"anb/modules/videos"
	"anb/platform/httpserver"
	"anb/platform/openapi"
	"anb/platform/storage"
)

//go:embed assets/index.html
var indexPage string

// metaRoutes registers what is about the service itself: health, limits,
// documentation, the front page.
func (a *App) metaRoutes(e *echo.Echo, m modules) error {
	docs := openapi.Handler(nil)
	for _, p := range openapi.Paths() {
		httpserver.GET(e, p, func(c echo.Context) error {
			c.Response().Header().Del("Content-Security-Policy") // the pages bring their own
			docs.ServeHTTP(c.Response(), c.Request())
			return nil
		})
	}
	h := meta{app: a, modules: m, checks: &readiness{app: a}}
	httpserver.GET(e, "/", h.index)
	httpserver.GET(e, "/health", h.health)
	httpserver.GET(e, "/api/health", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	httpserver.GET(e, "/readyz", h.ready)
	httpserver.GET(e, "/api/limits", h.limits)
	return nil
}

type meta struct {
	app     *App
	modules modules
	checks  *readiness
}

type indexResponse struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Links   map[string]string `json:"links"`
}

// index handles GET /: a page for a browser, links for a program.
func (h meta) index(c echo.Context) error {
	c.Response().Header().Set("Vary", "Accept")
	if !strings.Contains(c.Request().Header.Get("Accept"), "application/json") {
		c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'")
		return c.HTML(http.StatusOK, indexPage)
	}
	return c.JSON(http.StatusOK, indexResponse{
		Name: "anb", Version: h.app.version,
		Links: map[string]string{
			"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json", "errors": "/docs/errors", "health": "/health",
			"limits": "/api/limits", "videos": "/api/public/videos", "rankings": "/api/public/rankings",
		},
	})
}

type healthResponse struct {
	Status  string    `json:"status"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
}

// health handles GET /health: the process lives, whatever it depends on.
func (h meta) health(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, healthResponse{Status: "healthy", Version: h.app.version, Time: time.Now().UTC()})
}

type limitsResponse struct {
	Upload uploadLimits `json:"upload"`
	Paging pagingLimits `json:"paging"`
	Voting votingLimits `json:"voting"`
}

type uploadLimits struct {
	MaxBytes       int64    `json:"max_bytes"`
	MinDuration    float64  `json:"min_duration_seconds"`
	MaxDuration    float64  `json:"max_duration_seconds"`
	Tolerance      float64  `json:"duration_tolerance_seconds"`
	MinShortSide   int      `json:"min_short_side_pixels"`
	Formats        []string `json:"formats"`
	TitleMaxLength int      `json:"title_max_characters"`
	ClipSeconds    float64  `json:"clip_seconds"`
}

type pagingLimits struct {
	Default int `json:"default_limit"`
	Max     int `json:"max_limit"`
}

type votingLimits struct {
	Open     bool       `json:"open"`
	OpensAt  *time.Time `json:"opens_at"`
	ClosesAt *time.Time `json:"closes_at"`
	OwnVideo bool       `json:"own_video"`
}

// limits handles GET /api/limits.
func (h meta) limits(c echo.Context) error {
	open, opens, closes, err := h.modules.rankings.Voting(c.Request().Context())
	if err != nil {
		return err
	}
	u := h.app.config.Upload
	return c.JSON(http.StatusOK, limitsResponse{
		Upload: uploadLimits{
			MaxBytes: u.MaxBytes, MinDuration: u.MinDuration.Seconds(), MaxDuration: u.MaxDuration.Seconds(), Tolerance: u.Tolerance.Seconds(),
			MinShortSide: u.MinShortSide, Formats: u.Formats, TitleMaxLength: videos.MaxTitle, ClipSeconds: h.app.config.Encoder.ClipLength.Seconds(),
		},
		Paging: pagingLimits{Default: httpserver.DefaultLimit, Max: httpserver.MaxLimit},
		Voting: votingLimits{Open: open, OpensAt: opens, ClosesAt: closes, OwnVideo: h.app.config.Voting.OwnVideo},
	})
}

type readyResponse struct {
	Status string           `json:"status"` // ready, degraded or unavailable
	Checks map[string]check `json:"checks"`
}

type check struct {
	Status string `json:"status"` // ok, degraded or unavailable
	Detail string `json:"detail,omitempty"`
}

// ready handles GET /readyz.
func (h meta) ready(c echo.Context) error {
	r := h.checks.look(c.Request().Context())
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	status := http.StatusOK
	if r.Status == "unavailable" {
		status = http.StatusServiceUnavailable
		c.Response().Header().Set(echo.HeaderRetryAfter, "5")
	}
	return c.JSON(status, r)
}

// readiness looks at the dependencies, at most once a second whoever asks.
type readiness struct {
	app  *App
	mu   sync.Mutex
	at   time.Time
	last readyResponse
}

// lowDisk is how little room counts as degraded: five of the largest uploads.
const lowDisk = 5

func (r *readiness) look(ctx context.Context) readyResponse {
	if !r.app.gate.Open() {
		return readyResponse{Status: "unavailable", Checks: map[string]check{"shutdown": {Status: "unavailable", Detail: "the server is stopping"}}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.at) < time.Second {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	a := r.app
	checks := map[string]check{}
	status := "ready"
	// The details are fixed sentences: causes may show addresses.
	note := func(name string, err error, bad, detail string) {
		if err == nil {
			checks[name] = check{Status: "ok"}
			return
		}
		checks[name] = check{Status: bad, Detail: detail}
		switch {
		case bad == "unavailable":
			status = "unavailable"
		case status == "ready":
			status = "degraded"
		}
	}
	err := a.db.Ping(ctx)
	note("database", err, "unavailable", "the database does not answer")
	if err == nil {
		pool, err := a.db.SQL()
		if err == nil {
			err = db.Check(ctx, pool, string(a.db.Dialect()))
		}
		note("schema", err, "unavailable", "the schema is older than this program needs; run: anb migrate up")
	}
	for name, s := range map[string]storage.Store{"originals": a.originals, "processed": a.processed} {
		err := s.Check(ctx)
		if errors.Is(err, storage.ErrFull) { // what is there can still be seen, and deleted
			note(name, err, "degraded", "the storage is full; uploads are refused")
			continue
		}
		if errors.Is(err, storage.ErrRefused) {
			note(name, err, "unavailable", "the storage refuses us: its bucket, region or keys, or the clock of this machine, are wrong")
			continue
		}
		note(name, err, "unavailable", "the storage does not answer or cannot be written")
	}
	note("bus", a.bus.Ping(ctx), "degraded", "Redis does not answer; new videos wait")
	note("disk", errors.Join(a.low(ctx, a.originals), a.low(ctx, a.processed)), "degraded", "little room is left for uploads or published files")
	r.at, r.last = time.Now(), readyResponse{Status: status, Checks: checks}
	return r.last
}

// low is an error when a store has little room, or cannot say although it has
// a limit.
func (a *App) low(ctx context.Context, s storage.Store) error {
	free, known, err := s.Free(ctx)
	if err == nil && known && free < uint64(lowDisk*a.config.Upload.MaxBytes) {
		return errLowDisk
	}
	return err
}

var errLowDisk = errors.New("low disk")
