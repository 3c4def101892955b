package monitor

import (
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
