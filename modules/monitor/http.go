package monitor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/modules/monitor/access"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/logging"
)

// Routes registers all routes. e must turn errors into answers: see Errors.
// metrics is what /metrics answers.
func (m *Module) Routes(e *echo.Echo, metrics http.Handler) error {
	e.Pre(m.deps.Guard.Headers)
	asset, err := files(m.pages.digest)
	if err != nil {
		return err
	}
	httpserver.GET(e, "/assets/*", asset)
	httpserver.GET(e, "/login", m.loginPage)
	e.POST("/login", m.signIn)
	e.POST("/logout", m.signOut)
	m.healthRoutes(e)

	see := m.deps.Guard.Require(access.Viewer)
	for path, h := range map[string]echo.HandlerFunc{
		"/": m.overviewPage, "/jobs": m.reads(m.jobsPage), "/jobs.csv": m.reads(m.jobsCSV), "/jobs/:id": m.reads(m.jobPage),
		"/jobs/:id/log": m.reads(m.jobLog), "/queues": m.queuesPage, "/workers": m.workersPage, "/dead": m.deadPage, "/audit": m.reads(m.auditPage),
		"/operations/:id": m.reads(m.operationPage), "/events": m.events, "/complete": m.complete,
	} {
		httpserver.GET(e, path, h, see)
	}
	httpserver.GET(e, "/metrics", echo.WrapHandler(metrics), see)
	e.POST("/preferences", m.setPreferences, see)

	do := m.deps.Guard.Require(access.Operator)
	httpserver.GET(e, "/bulk", m.reads(m.bulkPage), do)
	for path, h := range map[string]echo.HandlerFunc{
		"/jobs/:id/retry": m.postJob(actRetry), "/jobs/:id/cancel": m.postJob(actCancel), "/jobs/:id/discard": m.postJob(actDiscard),
		"/queues/:queue/pause": m.postPause, "/queues/:queue/resume": m.postResume,
		"/workers/:worker/drain": m.postDrain, "/workers/:worker/resume": m.postUndrain, "/workers/:worker/scale": m.postScale,
		"/bulk": m.postBulk, "/operations/:id/stop": m.postStop, "/operations/:id/undo": m.postUndo,
	} {
		e.POST(path, h, do)
	}
	m.apiRoutes(e, see, do)
	m.flowerRoutes(e, see, do)
	admin := m.deps.Guard.Require(access.Admin)
	e.POST("/jobs/:id/reveal", m.revealPage, admin)
	httpserver.GET(e, "/sessions", m.reads(m.sessionsPage), admin)
	e.POST("/sessions/:id/end", m.postEnd, admin)
	return nil
}

// reads is for pages that cannot do without the database: while it is known to
// be away they say so at once.
func (m *Module) reads(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if m.collector.snapshot().Lost() {
			m.collector.soon()
			return fault.ErrUnavailable
		}
		return next(c)
	}
}

// Errors answers errors of pages as pages, in the browser's language, and
// leaves those of programs to next.
func (m *Module) Errors(next echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if !c.Response().Committed && flowerCall(c) {
			m.answerFlower(err, c)
			return
		}
		if c.Response().Committed || !wantsPage(c) {
			next(err, c)
			return
		}
		f := httpserver.Fault(err)
		status := httpserver.Status(f)
		v := m.view(c, "", statusWords[status], http.StatusText(status))
		v.Page = struct{ Message, RequestID string }{f.Message, logging.RequestID(c.Request().Context())}
		name := "error"
		if _, known := access.From(c.Request().Context()); !known {
			name = "refused" // strangers see no numbers
		}
		if status >= http.StatusInternalServerError {
			m.deps.Log.ErrorContext(c.Request().Context(), "request failed", slog.String("route", c.Path()), slog.Int("status", status), slog.Any("error", err))
		}
		if err := m.pages.render(c, status, name, v); err != nil {
			next(err, c)
		}
	}
}

var statusWords = map[int]string{
	http.StatusBadRequest: "Solicitud inválida", http.StatusForbidden: "Sin permiso", http.StatusNotFound: "No encontrado",
	http.StatusConflict: "Ya no se puede", http.StatusServiceUnavailable: "No disponible", http.StatusInternalServerError: "Error inesperado",
}

// wantsPage tells browsers from programs.
func wantsPage(c echo.Context) bool {
	return !strings.HasPrefix(c.Request().URL.Path, "/api/") && strings.Contains(c.Request().Header.Get(echo.HeaderAccept), echo.MIMETextHTML)
}

// idParam reads an id of the address.
func idParam(c echo.Context, missing *fault.Error) (uuid.UUID, error) {
	param := c.Param("id")
	id, err := uuid.Parse(param)
	if err != nil || len(param) != 36 {
		return uuid.Nil, missing
	}
	return id, nil
}

// back sends a browser to where the form was, with word of what was done.
func back(c echo.Context, to, action string) error {
	return c.Redirect(http.StatusSeeOther, to+"?done="+action)
}

// postJob handles POST /jobs/{id}/retry, cancel and discard.
func (m *Module) postJob(action string) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := idParam(c, ErrJobNotFound)
		if err != nil {
			return err
		}
		reason := strings.TrimSpace(c.FormValue("reason"))
		if action == actDiscard && reason == "" {
			return errReason
		}
		key := c.FormValue("key")
		if key != "" {
			key = id.String() + " " + key
		}
		if _, err := m.jobAction(c.Request().Context(), action, id, reason, key); err != nil {
			return err
		}
		return back(c, "/jobs/"+id.String(), action)
	}
}

// postPause handles POST /queues/{queue}/pause.
func (m *Module) postPause(c echo.Context) error {
	if _, err := m.pauseQueue(c.Request().Context(), pathParam(c, "queue"), strings.TrimSpace(c.FormValue("reason")), ""); err != nil {
		return err
	}
	return back(c, "/queues", actPause)
}

// postResume handles POST /queues/{queue}/resume.
func (m *Module) postResume(c echo.Context) error {
	if _, err := m.resumeQueue(c.Request().Context(), pathParam(c, "queue"), ""); err != nil {
		return err
	}
	return back(c, "/queues", actResume)
}

// postDrain handles POST /workers/{worker}/drain.
func (m *Module) postDrain(c echo.Context) error {
	if _, err := m.drainWorker(c.Request().Context(), pathParam(c, "worker"), strings.TrimSpace(c.FormValue("reason")), ""); err != nil {
		return err
	}
	return back(c, "/workers", actDrain)
}

// postUndrain handles POST /workers/{worker}/resume.
func (m *Module) postUndrain(c echo.Context) error {
	if _, err := m.undrainWorker(c.Request().Context(), pathParam(c, "worker"), ""); err != nil {
		return err
	}
	return back(c, "/workers", actUndrain)
}

// postScale handles POST /workers/{worker}/scale.
func (m *Module) postScale(c echo.Context) error {
	slots, err := strconv.Atoi(c.FormValue("slots"))
	if err != nil {
		return errSlots.Because(err)
	}
	if _, err := m.scaleWorker(c.Request().Context(), pathParam(c, "worker"), slots, ""); err != nil {
		return err
	}
	return back(c, "/workers", actScale)
}

// postBulk handles POST /bulk.
func (m *Module) postBulk(c echo.Context) error {
	b, err := bulkOf(c)
	if err != nil {
		return err
	}
	o, err := m.start(c.Request().Context(), b)
	if err != nil {
		return err
	}
	return back(c, "/operations/"+o.ID.String(), actBulk+b.action)
}

// bulkOf reads a bulk request of a form or an address.
func bulkOf(c echo.Context) (bulk, error) {
	form, err := c.FormParams()
	if err != nil {
		return bulk{}, fault.ErrParameter.Because(err)
	}
	b := bulk{
		action: form.Get("action"), query: strings.TrimSpace(form.Get("q")), ids: form["id"], reason: strings.TrimSpace(form.Get("reason")), key: form.Get("key"),
	}
	if form.Get("all") != "" {
		b.ids = nil
	} else if len(b.ids) > 0 {
		b.query = ""
	}
	if s := form.Get("per_minute"); s != "" {
		if b.perMinute, err = strconv.Atoi(s); err != nil {
			return b, fault.ErrParameter.Because(err)
		}
	}
	return b, nil
}

// postStop handles POST /operations/{id}/stop.
func (m *Module) postStop(c echo.Context) error {
	id, err := idParam(c, ErrOperationNotFound)
	if err != nil {
		return err
	}
	if _, err := m.stopOperation(c.Request().Context(), id, ""); err != nil {
		return err
	}
	return back(c, "/operations/"+id.String(), actStop)
}

// postUndo handles POST /operations/{id}/undo.
func (m *Module) postUndo(c echo.Context) error {
	id, err := idParam(c, ErrOperationNotFound)
	if err != nil {
		return err
	}
	o, err := m.undo(c.Request().Context(), id, id.String()+" "+c.FormValue("key"))
	if err != nil {
		return err
	}
	return back(c, "/operations/"+o.ID.String(), actBulk+o.Action)
}

// postEnd handles POST /sessions/{id}/end.
func (m *Module) postEnd(c echo.Context) error {
	id := c.Param("id")
	o := order{action: actRevoke, target: id[:min(8, len(id))]}
	_, err := m.carry(c.Request().Context(), o, func(ctx context.Context) (string, error) { return "", m.deps.Guard.Revoke(ctx, id) })
	if err != nil {
		return err
	}
	return back(c, "/sessions", actRevoke)
}

// signIn handles POST /login.
func (m *Module) signIn(c echo.Context) error {
	name := c.FormValue("name")
	err := m.deps.Guard.SignIn(c, name, c.FormValue("password"))
	var f *fault.Error
	if errors.As(err, &f) && wantsPage(c) && f.Kind != fault.Internal {
		return m.login(c, httpserver.Status(f), f.Message, name)
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, access.Local(c.FormValue("next")))
}

// signOut handles POST /logout.
func (m *Module) signOut(c echo.Context) error {
	if err := m.deps.Guard.SignOut(c); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/login")
}

// loginPage handles GET /login.
func (m *Module) loginPage(c echo.Context) error { return m.login(c, http.StatusOK, "", "") }

func (m *Module) login(c echo.Context, status int, problem, name string) error {
	next := c.QueryParam("next")
	if next == "" {
		next = c.FormValue("next")
	}
	v := m.view(c, "", "Entrar", "Sign in")
	v.Page = struct{ Problem, Next, Name string }{problem, access.Local(next), name}
	return m.pages.render(c, status, "login", v)
}
