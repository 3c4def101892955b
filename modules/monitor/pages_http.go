package monitor

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/modules/monitor/search"
	"anb/platform/fault"
	"anb/platform/httpserver"
)

// perPage is how many jobs or audit lines a page lists.
const perPage = 50

// overviewPage handles GET /.
func (m *Module) overviewPage(c echo.Context) error {
	m.collector.fresh(c.Request().Context())
	v := m.view(c, "overview", "Resumen", "Overview")
	v.Topics = "strip overview"
	r := FindRange(c.QueryParam("range"))
	points, err := m.store.series(c.Request().Context(), "", r, m.deps.Now())
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

// jobsData is what the Jobs page shows.
type jobsData struct {
	Jobs         []Job
	Counts       map[State]int64
	Total        int64
	Base         string // the search without states
	Chosen       State  // the only state that the search asks for
	Newer, Older string // addresses
	Problem      string
}

// jobsPage handles GET /jobs.
func (m *Module) jobsPage(c echo.Context) error {
	text := strings.TrimSpace(c.QueryParam("q"))
	if id, err := uuid.Parse(text); err == nil && len(text) == 36 {
		if _, ok, err := m.find(c.Request().Context(), id); err != nil {
			return err
		} else if ok {
			return c.Redirect(http.StatusSeeOther, "/jobs/"+id.String())
		}
	}
	m.collector.fresh(c.Request().Context())
	v := m.view(c, "jobs", "Tareas", "Jobs")
	v.Query = text
	status, data, err := http.StatusOK, jobsData{Counts: map[State]int64{}}, error(nil)
	data, err = m.jobsData(c, text)
	var f *fault.Error
	if errors.As(err, &f) && f.Is(errSearch) {
		status, data.Problem, err = http.StatusBadRequest, f.Message, nil
	}
	if err != nil {
		return err
	}
	v.Page = data
	if ids := rowIDs(data.Jobs); ids != "" {
		v.Topics += " rows=" + ids
	}
	return m.pages.render(c, status, "jobs", v)
}

func rowIDs(jobs []Job) string {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID.String()
	}
	return strings.Join(ids, ",")
}

func (m *Module) jobsData(c echo.Context, text string) (d jobsData, err error) {
	d.Counts = map[State]int64{}
	q, err := search.Parse(text)
	if err != nil {
		return d, searchFault(err)
	}
	f, err := m.filterOf(q)
	if err != nil {
		return d, err
	}
	p, err := pageOf(c)
	if err != nil {
		return d, err
	}
	ctx, now := c.Request().Context(), m.collector.snapshot().At
	var newer, older bool
	if d.Jobs, newer, older, err = m.store.list(ctx, f, p, now); err != nil {
		return d, err
	}
	rest, err := m.filterOf(q.Without(search.KeyState))
	if err != nil {
		return d, err
	}
	if d.Counts, err = m.store.counts(ctx, rest); err != nil {
		return d, err
	}
	d.Base = q.Without(search.KeyState).String()
	if states := q.Values(search.KeyState); len(states) == 1 {
		d.Chosen = State(states[0])
	}
	chosen := f.states
	if len(chosen) == 0 {
		chosen = States()
	}
	for _, x := range chosen {
		d.Total += d.Counts[x]
	}
	if n := len(d.Jobs); n > 0 {
		at := func(name string, id uuid.UUID) string { return jobsLink(text) + "&" + name + "=" + id.String() }
		if newer {
			d.Newer = at("before", d.Jobs[0].ID)
		}
		if older {
			d.Older = at("after", d.Jobs[n-1].ID)
		}
	}
	return d, nil
}

// pageOf reads after, before and limit.
func pageOf(c echo.Context) (page, error) {
	p := page{limit: perPage}
	for name, into := range map[string]**uuid.UUID{"after": &p.after, "before": &p.before} {
		if s := c.QueryParam(name); s != "" {
			id, err := uuid.Parse(s)
			if err != nil {
				return p, fault.ErrParameter.Because(err)
			}
			*into = &id
		}
	}
	var err error
	p.limit, err = httpserver.Int(c.QueryParams(), "limit", perPage, 1, 200)
	return p, err
}

// find reads one job.
func (m *Module) find(ctx context.Context, id uuid.UUID) (Detail, bool, error) {
	now, err := m.store.now(ctx)
	if err != nil {
		return Detail{}, false, err
	}
	all, err := m.store.details(ctx, []string{id.String()}, now)
	if err != nil {
		return Detail{}, false, err
	}
	d, ok := all[id.String()]
	return d, ok, nil
}

// detail reads all about one job.
func (m *Module) detail(ctx context.Context, id uuid.UUID) (Detail, error) {
	d, ok, err := m.find(ctx, id)
	if err == nil && !ok {
		err = ErrJobNotFound
	}
	if err != nil {
		return d, err
	}
	d.Events, _, err = m.store.events(ctx, eventPage{Target: id.String(), Limit: 20})
	return d, err
}

// jobData is what the page of a job shows.
type jobData struct {
	Detail       Detail
	Log          tailView
	Earlier      []earlierTail
	Commands     string
	Payload      []Entry
	Revealed     bool
	Newer, Older *uuid.UUID
}

// tailView is what ffmpeg said in the latest attempt that said anything.
type tailView struct {
	Fence  int64 // of the attempt
	Lines  []logLine
	Errors []logLine // the last that tell of a failure, pinned above
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

func tailOf(d Detail) (v tailView) {
	for i := len(d.Attempts) - 1; i >= 0; i-- {
		a := d.Attempts[i]
		if a.Tail == "" && a.Outcome != "running" {
			continue
		}
		v.Fence, v.Lines = a.Fence, logLines(redactKey(a.Tail, d))
		if a.Outcome != "failed" {
			return v
		}
		for j := len(v.Lines) - 1; j >= 0 && len(v.Errors) < 1; j-- {
			if v.Lines[j].Error {
				v.Errors = append(v.Errors, v.Lines[j])
			}
		}
		return v
	}
	return v
}

// redactKey takes the name of the private file out of what is shown.
func redactKey(s string, d Detail) string {
	if d.Original.Key == "" {
		return s
	}
	return strings.ReplaceAll(s, d.Original.Key, Hidden)
}

// jobPage handles GET /jobs/{id}.
func (m *Module) jobPage(c echo.Context) error { return m.showJob(c, false) }

// revealPage handles POST /jobs/{id}/reveal: the page with what is hidden, and a
// line in the audit.
func (m *Module) revealPage(c echo.Context) error {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return err
	}
	if _, err := m.detail(c.Request().Context(), id); err != nil {
		return err
	}
	_, err = m.carry(c.Request().Context(), order{action: actReveal, target: id.String()}, func(context.Context) (string, error) { return "", nil })
	if err != nil {
		return err
	}
	return m.showJob(c, true)
}

func (m *Module) showJob(c echo.Context, reveal bool) error {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	d, err := m.detail(ctx, id)
	if err != nil {
		return err
	}
	m.collector.fresh(ctx)
	v := m.view(c, "jobs", "Tarea", "Job")
	v.Title += " " + shortID(id)
	v.Topics = "strip job=" + id.String()
	if reveal {
		v.Here = "/jobs/" + id.String()
	}
	page := m.jobData(d)
	if page.Revealed = reveal; reveal {
		page.Payload = d.Payload
	}
	if page.Newer, page.Older, err = m.store.beside(ctx, id); err != nil {
		return err
	}
	v.Page = page
	return m.pages.render(c, http.StatusOK, "job", v)
}

func (m *Module) jobData(d Detail) jobData {
	p := jobData{Detail: d, Log: tailOf(d), Payload: Redacted(d.Payload)}
	p.Earlier = earlierThan(d, p.Log.Fence)
	if n := len(d.Attempts); n > 0 {
		p.Commands = redactKey(d.Attempts[n-1].Commands, d)
	}
	return p
}

// jobLog handles GET /jobs/{id}/log: an attempt's words as a file.
func (m *Module) jobLog(c echo.Context) error {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return err
	}
	d, err := m.detail(c.Request().Context(), id)
	if err != nil {
		return err
	}
	for i := len(d.Attempts) - 1; i >= 0; i-- {
		a := d.Attempts[i]
		if want := c.QueryParam("attempt"); want != "" && want != strconv.FormatInt(a.Fence, 10) {
			continue
		}
		var b strings.Builder
		for _, l := range logLines(redactKey(a.Tail, d)) {
			b.WriteString(l.Text + "\n")
		}
		c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+id.String()+"-"+strconv.FormatInt(a.Fence, 10)+`.log"`)
		return c.String(http.StatusOK, b.String())
	}
	return ErrJobNotFound
}

// jobsCSV handles GET /jobs.csv: at most maxCount jobs that a search finds.
func (m *Module) jobsCSV(c echo.Context) error {
	f, err := m.compile(c.QueryParam("q"))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	now, err := m.store.now(ctx)
	if err != nil {
		return err
	}
	jobs, _, _, err := m.store.list(ctx, f, page{limit: maxCount}, now)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="jobs.csv"`)
	c.Response().WriteHeader(http.StatusOK)
	w := csv.NewWriter(c.Response())
	_ = w.Write([]string{"id", "state", "queue", "worker", "attempt", "reason", "fingerprint", "title", "player", "created_at", "started_at", "finished_at"})
	for _, j := range jobs {
		_ = w.Write([]string{
			j.ID.String(), string(j.State), cell(j.Queue), cell(j.Worker), strconv.Itoa(j.Attempt), cell(j.Reason), cell(j.Fingerprint),
			cell(j.Title), cell(j.Player), stamp(j.CreatedAt), stamp(j.StartedAt), stamp(j.FinishedAt),
		})
	}
	w.Flush()
	return nil // whoever reads may have gone
}

// cell keeps a spreadsheet from taking text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
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
