package monitor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/lifecycle"
)

// flowerSearchProblem is the one error that Flower answers in JSON.
type flowerSearchProblem struct {
	Error string `json:"error"`
}

// flowerTasks handles GET /api/tasks. As with Flower's --max-tasks there is an
// end: the newest maxCount that fit; and what is sorted by anything but the time
// of receipt is sorted among those.
func (m *Module) flowerTasks(c echo.Context) error {
	f, err := m.flowerQuery(c)
	switch {
	case errors.Is(err, errSearch):
		return c.JSON(http.StatusBadRequest, flowerSearchProblem{flowerText(err)})
	case err != nil:
		return err
	}
	limit, err := whole(c, "limit", maxCount, 0)
	if err != nil {
		return err
	}
	offset, err := whole(c, "offset", 0, 0)
	if err != nil {
		return err
	}
	sort, err := argument(c, "sort_by")
	if err != nil {
		return err
	}
	if limit == 0 { // for Flower this is no limit
		limit = maxCount
	}
	tasks, err := m.sortedTasks(c.Request().Context(), f, sort, min(maxCount, offset+limit))
	if err != nil {
		return err
	}
	tasks = tasks[min(offset, len(tasks)):]
	return c.JSON(http.StatusOK, taskMap(tasks[:min(limit, len(tasks))]))
}

// sortedTasks are the first n tasks of f in the order that Flower calls sort.
func (m *Module) sortedTasks(ctx context.Context, f filter, sort string, n int) ([]flowerTaskInfo, error) {
	key, descending := strings.CutPrefix(sort, "-")
	p := page{limit: n}
	switch key {
	case "", "name", "received": // all have one name; ids are as old as their jobs
		if key != "" && !descending {
			p.before = &uuid.UUID{} // from the oldest
		}
	case "state", "started":
		p.limit = maxCount
	default:
		return nil, badArgument("sort_by")
	}
	now, err := m.store.now(ctx)
	if err != nil {
		return nil, err
	}
	jobs, _, _, err := m.store.list(ctx, f, p, now)
	if err != nil {
		return nil, err
	}
	if p.before != nil {
		slices.Reverse(jobs)
	}
	if key == "state" || key == "started" {
		slices.SortStableFunc(jobs, func(a, b Job) int {
			order := cmp.Compare(flowerState(a), flowerState(b))
			if key == "started" {
				order = a.AttemptAt.Compare(b.AttemptAt)
			}
			if descending {
				return -order
			}
			return order
		})
	}
	return list(jobs[:min(n, len(jobs))], func(j Job) flowerTaskInfo { return taskInfo(j, now) }), nil
}

// flowerQuery is what a script wants to see of all tasks.
func (m *Module) flowerQuery(c echo.Context) (filter, error) {
	given := map[string]string{}
	for _, name := range []string{"search", "state", "workername", "taskname", "received_start", "received_end"} {
		value, err := argument(c, name)
		if err != nil {
			return filter{}, err
		}
		if value != "All" { // as Flower's own page asks
			given[name] = value
		}
	}
	f, err := m.compile(given["search"])
	if err != nil {
		return f, err
	}
	if s := given["state"]; s != "" && !flowerFilter(&f, s) {
		return f, badArgument("state")
	}
	if s := given["workername"]; s != "" {
		f.where("j.worker <> '' AND j.worker = ?", s)
	}
	if s := given["taskname"]; s != "" && s != kind {
		f.where("1 = 0")
	}
	if s := given["received_start"]; s != "" {
		at, err := flowerTime(s)
		if err != nil {
			return f, badArgument("received_start")
		}
		f.where("j.id >= ?", made(at))
	}
	if s := given["received_end"]; s != "" {
		at, err := flowerTime(s)
		if err != nil {
			return f, badArgument("received_end")
		}
		f.where("j.id < ?", made(at.Add(time.Millisecond)))
	}
	return f, nil
}

// flowerTime reads a time as Flower does, in UTC, or as RFC 3339.
func flowerTime(s string) (time.Time, error) {
	if t, err := time.Parse("2006-01-02 15:04", s); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, s)
}

// taskParam is the job of the address; unknownTask when there is none.
func (m *Module) taskParam(c echo.Context) (Detail, error) {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return Detail{}, unknownTask(pathParam(c, "id"))
	}
	d, ok, err := m.find(c.Request().Context(), id)
	if err == nil && !ok {
		err = unknownTask(id.String())
	}
	return d, err
}

// flowerTask handles GET /api/task/info/{id}.
func (m *Module) flowerTask(c echo.Context) error {
	d, err := m.taskParam(c)
	if err != nil {
		return err
	}
	now, err := m.store.now(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, taskDetail(d, now))
}

type flowerTypesAnswer struct {
	Types []string `json:"task-types"`
}

// flowerTypes handles GET /api/task/types.
func (m *Module) flowerTypes(c echo.Context) error {
	return c.JSON(http.StatusOK, flowerTypesAnswer{[]string{kind}})
}

type flowerResultAnswer struct {
	TaskID    uuid.UUID `json:"task-id"`
	State     string    `json:"state"`
	Result    *string   `json:"result"`
	Traceback *string   `json:"traceback,omitempty"`
}

// maxPatience is how long a script may wait for a result.
const maxPatience = 30 * time.Second

// flowerResult handles GET /api/task/result/{id}: at once, or when the task has
// ended or timeout seconds, maxPatience at most, have passed.
func (m *Module) flowerResult(c echo.Context) error {
	timeout, err := whole(c, "timeout", 0, 0)
	if err != nil {
		return err
	}
	d, err := m.taskParam(c)
	if err != nil {
		return err
	}
	if timeout > 0 && !ended(flowerState(d.Job)) {
		m.awaitEnd(c.Request().Context(), d.ID, min(maxPatience, time.Duration(timeout)*time.Second))
		if d, err = m.taskParam(c); err != nil {
			return err
		}
	}
	t := taskDetail(d, m.deps.Now())
	if t.State == "FAILURE" {
		t.Result = t.Exception
	} else {
		t.Traceback = nil
	}
	return c.JSON(http.StatusOK, flowerResultAnswer{d.ID, t.State, t.Result, t.Traceback})
}

// awaitEnd waits until a job has ended, by what the collector sees.
func (m *Module) awaitEnd(ctx context.Context, id uuid.UUID, patience time.Duration) {
	watcher, stop := m.collector.watch(nil, []string{id.String()})
	defer stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-lifecycle.Stopping(ctx):
			return
		case <-timer.C:
			return
		case <-watcher.notify:
		}
		if j, ok := m.collector.snapshot().Rows[id.String()]; ok && ended(flowerState(j)) {
			return
		}
	}
}
