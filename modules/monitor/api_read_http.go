package monitor

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

type apiOverviewAnswer struct {
	At         *time.Time         `json:"at"`
	Lost       bool               `json:"lost"`
	BrokerOK   bool               `json:"broker_ok"`
	Headline   apiHeadline        `json:"headline"`
	Problems   []apiProblem       `json:"problems"`
	Queues     []apiQueueInfo     `json:"queues"`
	Running    []apiJobRow        `json:"running"`
	Operations []apiOperationInfo `json:"operations"`
}

func overviewAnswer(s *Snapshot) apiOverviewAnswer {
	return apiOverviewAnswer{
		At: when(s.At), Lost: s.lost(), BrokerOK: s.Broker.OK, Headline: headlineAnswer(s.Headline()), Problems: list(s.Problems, problemAnswer),
		Queues: list(s.Queues, queueAnswer), Running: list(s.Running, rowAt(s.At)), Operations: list(s.Ops, operationAnswer),
	}
}

// apiOverview handles GET /api/v1/overview.
func (m *Module) apiOverview(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, overviewAnswer(s))
}

type apiQueuesAnswer struct {
	At     *time.Time     `json:"at"`
	Queues []apiQueueInfo `json:"queues"`
}

// apiQueues handles GET /api/v1/queues.
func (m *Module) apiQueues(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, apiQueuesAnswer{when(s.At), list(s.Queues, queueAnswer)})
}

// apiQueue handles GET /api/v1/queues/{queue}.
func (m *Module) apiQueue(c echo.Context) error {
	q, _, err := m.queueParam(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, queueAnswer(q))
}

type apiJobsAnswer struct {
	Jobs []apiJobRow `json:"jobs"`
	Next *string     `json:"next"`
}

// apiJobs handles GET /api/v1/jobs.
func (m *Module) apiJobs(c echo.Context) error {
	f, err := m.jobsFilter(c)
	if err != nil {
		return err
	}
	p := page{}
	if p.after, err = cursorParam(c); err != nil {
		return err
	}
	if p.limit, err = httpserver.Int(c.QueryParams(), "limit", perPage, 1, 200); err != nil {
		return err
	}
	ctx := c.Request().Context()
	now, err := m.store.now(ctx)
	if err != nil {
		return err
	}
	jobs, _, older, err := m.store.list(ctx, f, p, now)
	if err != nil {
		return err
	}
	a := apiJobsAnswer{Jobs: list(jobs, rowAt(now))}
	if older {
		a.Next = nextPage(c, jobs[len(jobs)-1].ID)
	}
	return c.JSON(http.StatusOK, a)
}

// jobsFilter is what state, queue and q ask for, all of it.
func (m *Module) jobsFilter(c echo.Context) (filter, error) {
	f, err := m.compile(strings.TrimSpace(c.QueryParam("q")))
	if err != nil {
		return f, err
	}
	states, err := wordsParam(c, "state")
	if err != nil {
		return f, err
	}
	if len(states) > 0 {
		var chosen []State
		for _, s := range states {
			if !slices.Contains(States(), State(s)) {
				return f, fault.ErrParameter
			}
			chosen = append(chosen, State(s))
		}
		f.narrow(chosen)
	}
	queues, err := wordsParam(c, "queue")
	switch {
	case err != nil:
		return f, err
	case len(queues) > 0 && len(f.queues) == 0:
		f.queues = queues
	case len(queues) > 0:
		f.where("j.queue IN ?", queues)
	}
	return f, nil
}

// maxWords is how many words a parameter may list.
const maxWords = 20

// wordsParam reads a parameter that lists words, separated by commas or by
// being given again.
func wordsParam(c echo.Context, name string) ([]string, error) {
	var out []string
	for _, v := range c.QueryParams()[name] {
		for w := range strings.SplitSeq(v, ",") {
			if w = strings.TrimSpace(w); w != "" && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	if len(out) > maxWords || slices.ContainsFunc(out, func(w string) bool { return strings.ContainsFunc(w, control) }) {
		return nil, fault.ErrParameter
	}
	return out, nil
}

// apiJob handles GET /api/v1/jobs/{id}.
func (m *Module) apiJob(c echo.Context) error {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	d, err := m.detail(ctx, id)
	if err != nil {
		return err
	}
	now, err := m.store.now(ctx)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, detailAnswer(d, now))
}

// maxTail is the most lines of a log that are kept.
const maxTail = 500

// apiLog handles GET /api/v1/jobs/{id}/log: what ffmpeg said in an attempt, by
// default in the latest.
func (m *Module) apiLog(c echo.Context) error {
	id, err := idParam(c, ErrJobNotFound)
	if err != nil {
		return err
	}
	tail, err := httpserver.Int(c.QueryParams(), "tail", maxTail, 1, maxTail)
	if err != nil {
		return err
	}
	fence, err := httpserver.Int(c.QueryParams(), "attempt", 0, 0, 1<<31-1)
	if err != nil {
		return err
	}
	d, ok, err := m.find(c.Request().Context(), id)
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrJobNotFound
	}
	for _, a := range slices.Backward(d.Attempts) {
		if fence != 0 && a.Fence != int64(fence) {
			continue
		}
		lines := logLines(redactKey(a.Tail, d))
		var b strings.Builder
		for _, l := range lines[max(0, len(lines)-tail):] {
			b.WriteString(l.Text + "\n")
		}
		c.Response().Header().Set("Anb-Attempt", strconv.FormatInt(a.Fence, 10))
		return c.String(http.StatusOK, b.String())
	}
	return errAttemptNotFound
}

type apiWorkersAnswer struct {
	At      *time.Time      `json:"at"`
	Workers []apiWorkerInfo `json:"workers"`
}

// apiWorkers handles GET /api/v1/workers.
func (m *Module) apiWorkers(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, apiWorkersAnswer{when(s.At), list(s.Workers, func(w Worker) apiWorkerInfo { return workerAnswer(w, s.At) })})
}

// apiWorker handles GET /api/v1/workers/{worker}.
func (m *Module) apiWorker(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	w, ok := s.worker(pathParam(c, "worker"))
	if !ok {
		return ErrWorkerNotFound
	}
	return c.JSON(http.StatusOK, workerAnswer(w, s.At))
}

type apiGroupsAnswer struct {
	At     *time.Time `json:"at"`
	Groups []apiGroup `json:"groups"`
}

// apiGroups handles GET /api/v1/dead/groups.
func (m *Module) apiGroups(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, apiGroupsAnswer{when(s.At), list(s.Groups, groupAnswer)})
}

type apiAuditAnswer struct {
	Events []apiEvent `json:"events"`
	Next   *string    `json:"next"`
}

// apiAudit handles GET /api/v1/audit.
func (m *Module) apiAudit(c echo.Context) error {
	q := c.QueryParams()
	p := eventPage{}
	for name, into := range map[string]*string{"who": &p.Who, "action": &p.Action, "target": &p.Target} {
		var err error
		if *into, err = httpserver.One(q, name); err != nil {
			return err
		}
	}
	if strings.ContainsFunc(p.Who+p.Action+p.Target, control) {
		return fault.ErrParameter
	}
	var err error
	if p.Before, err = cursorParam(c); err != nil {
		return err
	}
	if p.Limit, err = httpserver.Int(q, "limit", perPage, 1, 200); err != nil {
		return err
	}
	events, more, err := m.store.events(c.Request().Context(), p)
	if err != nil {
		return err
	}
	a := apiAuditAnswer{Events: list(events, eventAnswer)}
	if more {
		a.Next = nextPage(c, events[len(events)-1].ID)
	}
	return c.JSON(http.StatusOK, a)
}

// apiOperation handles GET /api/v1/operations/{id}.
func (m *Module) apiOperation(c echo.Context) error {
	o, err := m.operationParam(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, operationAnswer(o))
}

func (m *Module) operationParam(c echo.Context) (Operation, error) {
	id, err := idParam(c, ErrOperationNotFound)
	if err != nil {
		return Operation{}, err
	}
	return m.findOperation(c.Request().Context(), id)
}
