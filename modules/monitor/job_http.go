package monitor

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

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
