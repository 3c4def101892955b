package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

// flowerText is the sentence of a fault.
func flowerText(err error) string { return httpserver.Fault(err).Message }

// flowerSubmission is the body of a new task. The rest of what Celery takes
// cannot be promised here and is refused rather than forgotten.
type flowerSubmission struct {
	Args      []jsontext.Value          `json:"args"`
	Kwargs    map[string]jsontext.Value `json:"kwargs"`
	Queue     jsontext.Value            `json:"queue"`
	Countdown jsontext.Value            `json:"countdown"`
	ETA       jsontext.Value            `json:"eta"`
	Expires   jsontext.Value            `json:"expires"`
}

// video is the one argument there is.
func (s flowerSubmission) video() (uuid.UUID, error) {
	for name, v := range map[string]jsontext.Value{"queue": s.Queue, "countdown": s.Countdown, "eta": s.ETA, "expires": s.Expires} {
		if len(v) > 0 && v.Kind() != 'n' {
			return uuid.Nil, refuse(http.StatusBadRequest, "Not supported here: "+name)
		}
	}
	args := s.Args
	if v, ok := s.Kwargs["video_id"]; ok && len(args) == 0 && len(s.Kwargs) == 1 {
		args = []jsontext.Value{v}
	} else if len(s.Kwargs) > 0 {
		return uuid.Nil, badArgument("kwargs")
	}
	var text string
	if len(args) != 1 || json.Unmarshal(args[0], &text) != nil || len(text) != 36 {
		return uuid.Nil, refuse(http.StatusBadRequest, "args must be the id of a video")
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, refuse(http.StatusBadRequest, "args must be the id of a video")
	}
	return id, nil
}

type flowerSubmitted struct {
	TaskID uuid.UUID `json:"task-id"`
	State  string    `json:"state"`
}

// flowerSubmit handles POST /api/task/async-apply/{name} and send-task/{name}: a
// failed video is processed again, as a new job.
func (m *Module) flowerSubmit(c echo.Context) error {
	if name := pathParam(c, "name"); name != kind {
		return unknownTask(name)
	}
	// curl -d calls everything a form, and so did scripts with Flower.
	c.Request().Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	var s flowerSubmission
	if err := httpserver.Bind(c, &s); err != nil {
		return err
	}
	video, err := s.video()
	if err != nil {
		return err
	}
	key, err := requestKey(c, video.String())
	if err != nil {
		return err
	}
	job, err := m.submit(c.Request().Context(), video, key)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, flowerSubmitted{job, "PENDING"})
}

// flowerRevoke handles POST /api/task/revoke/{id}. As in Celery only terminate
// stops what runs; that it runs on is said, and not passed over. How it is ended
// does not depend on signal: gently first, then not.
func (m *Module) flowerRevoke(c echo.Context) error {
	terminate, err := flag(c, "terminate")
	if err != nil {
		return err
	}
	d, err := m.taskParam(c)
	if err != nil {
		return err
	}
	if d.Active() && !terminate {
		return refuse(http.StatusConflict, "The task runs; use terminate=true.")
	}
	key, err := requestKey(c, d.ID.String())
	if err != nil {
		return err
	}
	if _, err := m.jobAction(c.Request().Context(), actCancel, d.ID, "", key); err != nil {
		return err
	}
	return said(c, "Revoked "+quoted(d.ID.String()))
}

// workerFault says in Flower's words that there is no such worker.
func workerFault(id string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.NotFound {
		return unknownWorker(id)
	}
	return err
}

// workerParam is the worker of the address, and what tells a repetition.
func workerParam(c echo.Context) (id, key string, err error) {
	id = pathParam(c, "worker")
	if len(id) > maxKey-maxAPIKey-1 {
		return id, "", unknownWorker(id)
	}
	key, err = requestKey(c, id)
	return id, key, err
}

// flowerShutdown handles POST /api/worker/shutdown/{worker}. What keeps workers
// running would start another one, so it only takes no more jobs.
func (m *Module) flowerShutdown(c echo.Context) error {
	id, key, err := workerParam(c)
	if err != nil {
		return err
	}
	if _, err := m.drainWorker(c.Request().Context(), id, "", key); err != nil {
		return workerFault(id, err)
	}
	return said(c, "Shutting down!")
}

// flowerResize handles POST /api/worker/pool/grow/{worker} and shrink/{worker}.
func (m *Module) flowerResize(sign int) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, key, err := workerParam(c)
		if err != nil {
			return err
		}
		n, err := whole(c, "n", 1, 1)
		if err != nil {
			return err
		}
		slots, err := m.slots(c.Request().Context(), id)
		if err != nil {
			return err
		}
		if _, err := m.scaleWorker(c.Request().Context(), id, slots+sign*n, key); err != nil {
			return workerFault(id, err)
		}
		verb := map[int]string{1: "Growing", -1: "Shrinking"}[sign]
		return said(c, fmt.Sprintf("%s %s worker's pool by %d", verb, quoted(id), n))
	}
}

// slots is how many jobs at once a worker is to do, by what is written down now:
// two orders in a row add up.
func (m *Module) slots(ctx context.Context, worker string) (int, error) {
	now, err := m.store.now(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := m.store.workers(ctx, now)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if r.ID == worker {
			return cmp.Or(number(r.OrderedSlots), r.Slots), nil
		}
	}
	return 0, unknownWorker(worker)
}

// flowerAutoscale handles POST /api/worker/pool/autoscale/{worker}: slots cost
// nothing while nothing waits, so the most is how many there are.
func (m *Module) flowerAutoscale(c echo.Context) error {
	id, key, err := workerParam(c)
	if err != nil {
		return err
	}
	least, err := whole(c, "min", 0, 0)
	if err != nil {
		return err
	}
	most, err := whole(c, "max", 0, 1)
	if err != nil {
		return err
	}
	if most == 0 || least > most {
		return badArgument("max")
	}
	if _, err := m.scaleWorker(c.Request().Context(), id, most, key); err != nil {
		return workerFault(id, err)
	}
	return said(c, fmt.Sprintf("Autoscaling %s worker to %d", quoted(id), most))
}

// flowerConsume handles POST /api/worker/queue/add-consumer/{worker} and
// cancel-consumer/{worker}.
func (m *Module) flowerConsume(on bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, key, err := workerParam(c)
		if err != nil {
			return err
		}
		queue, err := argument(c, "queue")
		if err != nil {
			return err
		}
		if queue == "" {
			return badArgument("queue")
		}
		if _, err := m.consume(c.Request().Context(), id, queue, on, key); err != nil {
			return workerFault(id, err)
		}
		verb := map[bool]string{true: "add consumer", false: "no longer consuming from"}[on]
		return said(c, verb+" "+queue)
	}
}
