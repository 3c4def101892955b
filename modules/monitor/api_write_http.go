package monitor

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/modules/monitor/search"
	"anb/platform/fault"
	"anb/platform/httpserver"
)

// apiDone is the answer to an order. It says nothing that differs when the same
// is ordered twice.
type apiDone struct {
	Action string `json:"action"`
	Target string `json:"target"`
	Detail string `json:"detail"` // stopping: a running job ends within seconds
}

// done answers an order, unless its key was another's.
func done(c echo.Context, o order, detail string, e Event, err error) error {
	if err != nil {
		return err
	}
	if e.Reason != o.reason || detail != "" && e.Detail != detail {
		return errKeyReused
	}
	return c.JSON(http.StatusOK, apiDone{e.Action, e.Target, e.Detail})
}

type apiReason struct {
	Reason string `json:"reason"`
}

// reasonOf reads the body of an order that has nothing but a reason.
func reasonOf(c echo.Context) (string, error) {
	var r apiReason
	err := bindOptional(c, &r)
	return strings.TrimSpace(r.Reason), err
}

// apiOnJob handles POST /api/v1/jobs/{id}/retry, cancel and discard.
func (m *Module) apiOnJob(action string) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := idParam(c, ErrJobNotFound)
		if err != nil {
			return err
		}
		o := order{action: action, target: id.String()}
		if o.reason, err = reasonOf(c); err != nil {
			return err
		}
		if action == actDiscard && o.reason == "" {
			return errReason
		}
		if o.key, err = requestKey(c, o.target); err != nil {
			return err
		}
		ctx := c.Request().Context()
		e, err := m.jobAction(ctx, action, id, o.reason, o.key)
		return done(c, o, "", e, m.withState(ctx, id, err))
	}
}

// withState adds to a conflict the state in which the job is, for programs.
func (m *Module) withState(ctx context.Context, id uuid.UUID, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Conflict {
		return err
	}
	d, ok, e := m.find(ctx, id)
	if e != nil || !ok {
		return err
	}
	return f.Because(err).With(fault.Field{Field: "state", Code: strings.ToUpper(string(d.State)), Message: f.Message})
}

// apiPause handles POST /api/v1/queues/{queue}/pause.
func (m *Module) apiPause(c echo.Context) error {
	q, _, err := m.queueParam(c)
	if err != nil {
		return err
	}
	o := order{action: actPause, target: q.Name}
	if o.reason, err = reasonOf(c); err != nil {
		return err
	}
	if o.key, err = requestKey(c, o.target); err != nil {
		return err
	}
	e, err := m.pauseQueue(c.Request().Context(), q.Name, o.reason, o.key)
	return done(c, o, "", e, err)
}

// apiResume handles POST /api/v1/queues/{queue}/resume.
func (m *Module) apiResume(c echo.Context) error {
	q, _, err := m.queueParam(c)
	if err != nil {
		return err
	}
	o := order{action: actResume, target: q.Name}
	if o.key, err = requestKey(c, o.target); err != nil {
		return err
	}
	e, err := m.resumeQueue(c.Request().Context(), q.Name, o.key)
	return done(c, o, "", e, err)
}

// apiDrain handles POST /api/v1/workers/{worker}/drain.
func (m *Module) apiDrain(c echo.Context) error {
	o, err := workerOrder(c, actDrain)
	if err != nil {
		return err
	}
	if o.reason, err = reasonOf(c); err != nil {
		return err
	}
	e, err := m.drainWorker(c.Request().Context(), o.target, o.reason, o.key)
	return done(c, o, "", e, err)
}

// apiUndrain handles POST /api/v1/workers/{worker}/resume.
func (m *Module) apiUndrain(c echo.Context) error {
	o, err := workerOrder(c, actUndrain)
	if err != nil {
		return err
	}
	e, err := m.undrainWorker(c.Request().Context(), o.target, o.key)
	return done(c, o, "", e, err)
}

// apiScale handles POST /api/v1/workers/{worker}/scale.
func (m *Module) apiScale(c echo.Context) error {
	o, err := workerOrder(c, actScale)
	if err != nil {
		return err
	}
	var req struct {
		Slots int `json:"slots"`
	}
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	e, err := m.scaleWorker(c.Request().Context(), o.target, req.Slots, o.key)
	return done(c, o, strconv.Itoa(req.Slots), e, err)
}

// apiConsume handles POST /api/v1/workers/{worker}/consume.
func (m *Module) apiConsume(c echo.Context) error {
	o, err := workerOrder(c, actConsume)
	if err != nil {
		return err
	}
	var req struct {
		Queue string `json:"queue"`
		On    *bool  `json:"on"`
	}
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	on := req.On == nil || *req.On
	e, err := m.consume(c.Request().Context(), o.target, req.Queue, on, o.key)
	return done(c, o, req.Queue, e, err)
}

// workerOrder is an order to the worker of the address. That it lives is found
// out when it is ordered.
func workerOrder(c echo.Context, action string) (order, error) {
	o := order{action: action, target: pathParam(c, "worker")}
	if len(o.target) > maxKey-maxAPIKey-1 {
		return o, ErrWorkerNotFound
	}
	var err error
	o.key, err = requestKey(c, o.target)
	return o, err
}

type apiBulkRequest struct {
	Filter    string   `json:"filter"`
	IDs       []string `json:"ids"`
	Action    string   `json:"action"`
	Reason    string   `json:"reason"`
	PerMinute int      `json:"per_minute"`
	DryRun    bool     `json:"dry_run"`
}

type apiBulkAnswer struct {
	OpID  *uuid.UUID `json:"op_id"` // nil of a dry run
	Count int64      `json:"count"`
}

// apiBulk handles POST /api/v1/jobs/bulk.
func (m *Module) apiBulk(c echo.Context) error {
	var req apiBulkRequest
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	b := bulk{
		action: req.Action, query: strings.TrimSpace(req.Filter), ids: req.IDs, reason: strings.TrimSpace(req.Reason), perMinute: req.PerMinute,
	}
	if b.query != "" && len(b.ids) > 0 {
		return errBoth
	}
	return m.begin(c, b, "bulk", req.DryRun)
}

// begin starts a bulk operation or, of a dry run, only counts.
func (m *Module) begin(c echo.Context, b bulk, subject string, dry bool) error {
	ctx := c.Request().Context()
	if dry {
		if b.reason == "" {
			b.reason = "-" // is only asked for when it counts
		}
		n, err := m.preview(ctx, b)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, apiBulkAnswer{nil, n})
	}
	var err error
	if b.key, err = requestKey(c, subject); err != nil {
		return err
	}
	o, err := m.start(ctx, b)
	if err != nil {
		return err
	}
	if o.Filter != b.query || strings.Join(o.IDs, ",") != strings.Join(b.ids, ",") || o.Reason != b.reason || o.PerMinute != b.perMinute {
		return errKeyReused
	}
	return c.JSON(http.StatusAccepted, apiBulkAnswer{&o.ID, o.Total})
}

// apiPurge handles POST /api/v1/queues/{queue}/purge: all jobs that wait in the
// queue, for whatever, are cancelled, as a bulk operation that can be undone.
func (m *Module) apiPurge(c echo.Context) error {
	q, _, err := m.queueParam(c)
	if err != nil {
		return err
	}
	var req struct {
		Reason string `json:"reason"`
		DryRun bool   `json:"dry_run"`
	}
	if err := bindOptional(c, &req); err != nil {
		return err
	}
	query := search.Query{}.With(search.KeyQueue, q.Name).With(search.KeyState, search.Waiting, search.Scheduled, search.Retrying)
	b := bulk{action: "cancel", query: query.String(), reason: strings.TrimSpace(req.Reason)}
	return m.begin(c, b, "purge "+q.Name, req.DryRun)
}

// apiStop handles POST /api/v1/operations/{id}/stop.
func (m *Module) apiStop(c echo.Context) error {
	op, err := m.operationParam(c)
	if err != nil {
		return err
	}
	o := order{action: actStop, target: op.ID.String()}
	if o.key, err = requestKey(c, o.target); err != nil {
		return err
	}
	e, err := m.stopOperation(c.Request().Context(), op.ID, o.key)
	return done(c, o, "", e, err)
}

// apiUndo handles POST /api/v1/operations/{id}/undo.
func (m *Module) apiUndo(c echo.Context) error {
	op, err := m.operationParam(c)
	if err != nil {
		return err
	}
	key, err := requestKey(c, op.ID.String())
	if err != nil {
		return err
	}
	o, err := m.undo(c.Request().Context(), op.ID, key)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, apiBulkAnswer{&o.ID, o.Total})
}
