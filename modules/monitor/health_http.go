package monitor

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"anb/platform/httpserver"
)

// healthRoutes registers what probes ask for, without signing in.
func (m *Module) healthRoutes(e *echo.Echo) {
	httpserver.GET(e, "/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	httpserver.GET(e, "/healthcheck", func(c echo.Context) error { return c.String(http.StatusOK, "OK") }) // as Flower answered
	httpserver.GET(e, "/readyz", m.ready)
}

type readyResponse struct {
	Status   string `json:"status"` // ready, degraded or unavailable
	Database string `json:"database"`
	Broker   string `json:"broker"`
}

// ready handles GET /readyz: a broker that is away degrades, a database that is
// away makes the dashboard unavailable, although its pages live on.
func (m *Module) ready(c echo.Context) error {
	r := readyResponse{Status: "ready", Database: "ok", Broker: "ok"}
	ctx := c.Request().Context()
	if !m.collector.snapshot().Broker.OK {
		r.Status, r.Broker = "degraded", "the broker does not answer"
	}
	status := http.StatusOK
	if err := m.deps.DB.Ping(ctx); err != nil {
		r.Status, r.Database, status = "unavailable", "the database does not answer", http.StatusServiceUnavailable
		c.Response().Header().Set(echo.HeaderRetryAfter, "5")
	}
	return c.JSON(status, r)
}
