package monitor

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

// apiRoot is where programs find the dashboard's own API.
const apiRoot = "/api/v1"

// apiRoutes registers the API of programs: see lets viewers pass, do operators.
// What it answers is in assets/openapi.yaml.
func (m *Module) apiRoutes(e *echo.Echo, see, do echo.MiddlewareFunc) {
	for path, h := range map[string]echo.HandlerFunc{
		"/overview": m.apiOverview, "/queues": m.apiQueues, "/queues/:queue": m.apiQueue, "/jobs": m.apiJobs, "/jobs/:id": m.apiJob,
		"/jobs/:id/log": m.apiLog, "/workers": m.apiWorkers, "/workers/:worker": m.apiWorker, "/dead/groups": m.apiGroups,
		"/series": m.apiSeries, "/audit": m.apiAudit, "/operations/:id": m.apiOperation, "/events": m.apiEvents,
		"/openapi.json": m.apiDocument, "/docs": m.apiDocs,
	} {
		httpserver.GET(e, apiRoot+path, h, see)
	}
	// Where the problem documents say that their codes are explained.
	httpserver.GET(e, "/docs/errors", func(c echo.Context) error { return c.Redirect(http.StatusSeeOther, apiRoot+"/docs") }, see)
	for path, h := range map[string]echo.HandlerFunc{
		"/jobs/:id/retry": m.apiOnJob(actRetry), "/jobs/:id/cancel": m.apiOnJob(actCancel), "/jobs/:id/discard": m.apiOnJob(actDiscard),
		"/jobs/bulk": m.apiBulk, "/operations/:id/stop": m.apiStop, "/operations/:id/undo": m.apiUndo,
		"/queues/:queue/pause": m.apiPause, "/queues/:queue/resume": m.apiResume, "/queues/:queue/purge": m.apiPurge,
		"/workers/:worker/drain": m.apiDrain, "/workers/:worker/resume": m.apiUndrain, "/workers/:worker/scale": m.apiScale,
		"/workers/:worker/consume": m.apiConsume,
	} {
		e.POST(apiRoot+path, h, do)
	}
}

// seen is the latest snapshot. Programs get it as it is, without a query of
// their own: it says how old it is. It fails with fault.ErrUnavailable until
// there has been one.
func (m *Module) seen(c echo.Context) (*Snapshot, error) {
	if s := m.collector.snapshot(); !s.At.IsZero() {
		return s, nil
	}
	m.collector.fresh(c.Request().Context()) // the dashboard has only just begun
	if s := m.collector.snapshot(); !s.At.IsZero() {
		return s, nil
	}
	return nil, fault.ErrUnavailable
}

// lost reports whether a snapshot is only the last that was known.
func (s *Snapshot) lost() bool {
	for _, p := range s.Problems {
		if p.Kind == NoDatabase {
			return true
		}
	}
	return false
}

func (s *Snapshot) queue(name string) (Queue, bool) {
	for _, q := range s.Queues {
		if q.Name == name {
			return q, true
		}
	}
	return Queue{}, false
}

func (s *Snapshot) worker(id string) (Worker, bool) {
	for _, w := range s.Workers {
		if w.ID == id {
			return w, true
		}
	}
	return Worker{}, false
}

// pathParam is a part of the address as it was meant.
func pathParam(c echo.Context, name string) string {
	if s, err := url.PathUnescape(c.Param(name)); err == nil && c.Request().URL.RawPath != "" {
		return s
	}
	return c.Param(name)
}

// queueParam is the queue of the address; ErrQueueNotFound when nobody has
// heard of it, so that a slip of the pen does not pause nothing.
func (m *Module) queueParam(c echo.Context) (Queue, *Snapshot, error) {
	s, err := m.seen(c)
	if err != nil {
		return Queue{}, nil, err
	}
	q, ok := s.queue(pathParam(c, "queue"))
	if !ok {
		return q, s, ErrQueueNotFound
	}
	return q, s, nil
}

// maxAPIKey is how long an Idempotency-Key may be, in bytes.
const maxAPIKey = 100

// requestKey is what tells a repetition of a request, empty when there is
// nothing; subject keeps requests about different things apart.
func requestKey(c echo.Context, subject string) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" {
		return "", nil
	}
	if len(key) > maxAPIKey || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", errKey
	}
	if len(subject) > maxKey-maxAPIKey-1 {
		return "", fault.ErrParameter
	}
	return subject + " " + key, nil
}

// bindOptional is httpserver.Bind for requests that may do without a body.
func bindOptional(c echo.Context, into any) error {
	if c.Request().ContentLength == 0 {
		return nil
	}
	return httpserver.Bind(c, into)
}

// cursorOf is where a list goes on after id. What it consists of is ours.
func cursorOf(id uuid.UUID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// cursorParam reads the cursor; nil when the list is to begin.
func cursorParam(c echo.Context) (*uuid.UUID, error) {
	text, err := httpserver.One(c.QueryParams(), "cursor")
	if err != nil || text == "" {
		return nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.ErrParameter.Because(err)
	}
	id, err := uuid.FromBytes(raw)
	if err != nil {
		return nil, fault.ErrParameter.Because(err)
	}
	return &id, nil
}

// nextPage is the address of the page after last, which is also in the header.
func nextPage(c echo.Context, last uuid.UUID) *string {
	q := c.Request().URL.Query()
	q.Set("cursor", cursorOf(last))
	next := c.Request().URL.Path + "?" + q.Encode()
	c.Response().Header().Set("Link", "<"+next+`>; rel="next"`)
	return &next
}
