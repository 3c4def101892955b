package monitor

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/modules/monitor/search"
	"anb/platform/fault"
)

// perPage is how many jobs or audit lines a page lists.
const perPage = 50

// overviewPage handles GET /.
func (m *Module) overviewPage(c echo.Context) error {
	m.collector.fresh(c.Request().Context())
	v := m.view(c, "overview", "Resumen", "Overview")
	v.Topics = "strip overview"
	r := FindRange(c.QueryParam("range"))
	var points []Point
	var err error
	if !v.Snap.Lost() {
		points, err = m.store.series(c.Request().Context(), "", r, m.deps.Now())
	}
	if err != nil && !isUnavailable(err) {
		return err
	}
	v.Page = m.charts(v.Lang, r, points)
	return m.pages.render(c, http.StatusOK, "overview", v)
}

// isUnavailable reports whether the database is away: pages that can do
// without it then show what was last known.
func isUnavailable(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.Unavailable
}

// earlierTail is what ffmpeg said in an attempt before that.
type earlierTail struct {
	Attempt
	Lines []logLine
}

// maxEarlier is how many earlier attempts the page of a job lets speak; all can
// be downloaded.
const maxEarlier = 3

// earlierThan lists what the attempts before a fence left, the latest first.
func earlierThan(d Detail, fence int64) (out []earlierTail) {
	for i := len(d.Attempts) - 1; i >= 0 && len(out) < maxEarlier; i-- {
		if a := d.Attempts[i]; a.Fence < fence && a.Tail != "" {
			out = append(out, earlierTail{a, logLines(redactKey(a.Tail, d))})
		}
	}
	return out
}

// simple renders a page that shows the snapshot alone.
func (m *Module) simple(c echo.Context, name, es, en string) error {
	m.collector.fresh(c.Request().Context())
	v := m.view(c, name, es, en)
	v.Topics = "strip " + name
	return m.pages.render(c, http.StatusOK, name, v)
}

func (m *Module) queuesPage(c echo.Context) error { return m.simple(c, "queues", "Colas", "Queues") }
func (m *Module) workersPage(c echo.Context) error {
	if flowerCall(c) {
		return m.flowerWorkersPage(c)
	}
	return m.simple(c, "workers", "Trabajadores", "Workers")
}
func (m *Module) deadPage(c echo.Context) error { return m.simple(c, "dead", "Muertas", "Dead") }

// auditPage handles GET /audit.
func (m *Module) auditPage(c echo.Context) error {
	p := eventPage{Who: c.QueryParam("who"), Action: c.QueryParam("action"), Target: c.QueryParam("target"), Limit: perPage}
	if s := c.QueryParam("before"); s != "" {
		id, err := uuid.Parse(s)
		if err != nil {
			return fault.ErrParameter.Because(err)
		}
		p.Before = &id
	}
	if strings.ContainsFunc(p.Who+p.Action+p.Target, control) {
		return fault.ErrParameter
	}
	events, more, err := m.store.events(c.Request().Context(), p)
	if err != nil {
		return err
	}
	older := ""
	if more {
		q := c.QueryParams()
		q.Set("before", events[len(events)-1].ID.String())
		older = "/audit?" + q.Encode()
	}
	v := m.view(c, "audit", "Auditoría", "Audit")
	v.Page = struct {
		eventPage
		Actions []string
		Events  []Event
		Older   string
	}{p, auditActions, events, older}
	return m.pages.render(c, http.StatusOK, "audit", v)
}

// auditActions are those that the audit can be filtered by.
var auditActions = []string{
	actRetry, actCancel, actDiscard, actSubmit, actReveal, actPause, actResume, actDrain, actUndrain, actScale, actConsume, actIdle,
	actBulk + "retry", actBulk + "cancel", actBulk + "discard", actStop, actRevoke,
}

// bulkPage handles GET /bulk: what a bulk action would change, to be confirmed.
func (m *Module) bulkPage(c echo.Context) error {
	b, err := bulkOf(c)
	if err != nil {
		return err
	}
	if b.reason == "" { // is asked for below
		b.reason = "-"
	}
	v := m.view(c, "jobs", "Varias tareas", "Many jobs")
	status := http.StatusOK
	data := struct {
		Action, Query, Key, Problem string
		IDs                         []string
		Count                       int64
		PerMinute                   int
	}{Action: b.action, Query: b.query, Key: uuid.NewString(), IDs: b.ids, PerMinute: b.perMinute}
	data.Count, err = m.preview(c.Request().Context(), b)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		status, data.Problem, err = http.StatusBadRequest, f.Message, nil
	}
	if err != nil {
		return err
	}
	v.Page = data
	return m.pages.render(c, status, "bulk", v)
}

// operationPage handles GET /operations/{id}.
func (m *Module) operationPage(c echo.Context) error {
	id, err := idParam(c, ErrOperationNotFound)
	if err != nil {
		return err
	}
	o, err := m.findOperation(c.Request().Context(), id)
	if err != nil {
		return err
	}
	v := m.view(c, "dead", "Operación", "Operation")
	v.Topics = "strip op=" + id.String()
	v.Page = o
	return m.pages.render(c, http.StatusOK, "operation", v)
}

// sessionsPage handles GET /sessions.
func (m *Module) sessionsPage(c echo.Context) error {
	all, err := m.deps.Guard.Sessions(c.Request().Context())
	if err != nil {
		return err
	}
	v := m.view(c, "audit", "Sesiones abiertas", "Open sessions")
	v.Page = all
	return m.pages.render(c, http.StatusOK, "sessions", v)
}

// complete handles GET /complete: what a search may go on with, a line each.
func (m *Module) complete(c echo.Context) error {
	s := m.collector.snapshot()
	known := map[string][]string{}
	for _, q := range s.Queues {
		known["queue"] = append(known["queue"], q.Name)
	}
	for _, w := range s.Workers {
		known["worker"] = append(known["worker"], w.ID)
	}
	for _, g := range s.Groups {
		known["error"] = append(known["error"], g.Fingerprint)
	}
	text := c.QueryParam("q")
	return c.JSON(http.StatusOK, search.Complete(text, len(text), known))
}
