package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/crash"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/httpserver"
)

// wakeTimeout is how long an upload waits for the bus. The wake-up is a hint;
// without it the sweeper brings the job within its interval.
const wakeTimeout = 300 * time.Millisecond

// ErrJobNotFound is the answer for an unknown task id.
var ErrJobNotFound = fault.New(fault.NotFound, "JOB_NOT_FOUND", "Tarea no encontrada.")

// Client is the side that asks for work: it judges uploads, enqueues, cancels
// and tells how jobs stand. It is safe for concurrent use.
type Client struct {
	config    Config
	limits    Limits
	inspector *Inspector
	bus       Bus
	log       *slog.Logger
	now       func() time.Time
	db        *database.DB
	store     store
}

// NewClient wires the client; it fails when a dependency is missing.
func NewClient(c Config, l Limits, i *Inspector, db *database.DB, bus Bus, now func() time.Time, log *slog.Logger) (*Client, error) {
	if i == nil || db == nil || bus == nil || now == nil || log == nil {
		return nil, errors.New("processing: a dependency of the client is missing")
	}
	return &Client{config: c, limits: l, inspector: i, bus: bus, log: log, now: now, db: db, store: store{db}}, nil
}

// Inspect tells what a staged file is like, or refuses it with a fault that tells
// the player why.
func (c *Client) Inspect(ctx context.Context, path string) (Measured, error) {
	source, err := c.inspector.Inspect(ctx, path)
	if err == nil {
		return source.measured(), nil
	}
	var f *Failure
	if !errors.As(err, &f) {
		return Measured{}, err
	}
	if !f.Reason.Permanent() {
		return Measured{}, fault.ErrUnavailable.Because(err)
	}
	message := c.limits.Message(f.Reason)
	return Measured{}, fault.New(fault.Invalid, f.Reason.Code(), message).Because(err).
		With(fault.Field{Field: "video_file", Code: f.Reason.Code(), Message: message})
}

// Explain gives the Spanish sentence for a failure's code, with the limits'
// numbers in it.
func (c *Client) Explain(code string) string { return c.limits.Explain(code) }

// Enqueue records that a video is to be processed, in the transaction that ctx
// carries, and returns the task's id. A worker is woken after the commit; that
// the bus is away is no error.
func (c *Client) Enqueue(ctx context.Context, videoID uuid.UUID) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, err
	}
	if err := c.store.enqueue(ctx, id, videoID, c.config, c.now()); err != nil {
		return uuid.Nil, fmt.Errorf("enqueue video %s: %w", videoID, err)
	}
	crash.At(crash.EnqueueInserted)
	c.db.AfterCommit(ctx, func(ctx context.Context) {
		crash.At(crash.UploadRecorded)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
		defer cancel()
		ids := []any{slog.String("task_id", id.String()), slog.String("video_id", videoID.String())}
		if err := c.bus.Send(ctx, c.config.Queue, TaskName, id.String()); err != nil {
			c.log.WarnContext(ctx, "job queued; wake-up failed, the sweeper will", append(ids, slog.Any("error", err))...)
		} else {
			c.log.DebugContext(ctx, "job queued, worker woken", ids...)
		}
		crash.At(crash.EnqueueSent)
	})
	return id, nil
}

// Cancel stops the processing of a video, in the transaction that ctx carries.
func (c *Client) Cancel(ctx context.Context, videoID uuid.UUID) error {
	if err := c.store.cancel(ctx, videoID); err != nil {
		return fmt.Errorf("cancel job of video %s: %w", videoID, err)
	}
	return nil
}

// Latest returns the newest job of a video, and false if there is none.
func (c *Client) Latest(ctx context.Context, videoID uuid.UUID) (id uuid.UUID, stage string, progress float64, ok bool, err error) {
	s, ok, err := c.store.get(ctx, "video_id = ?", videoID)
	if err != nil {
		return uuid.Nil, "", 0, false, fmt.Errorf("job of video %s: %w", videoID, err)
	}
	return s.ID, s.Stage, s.Progress, ok, nil
}

// Routes registers the module's routes.
func (c *Client) Routes(e *echo.Echo) {
	httpserver.GET(e, "/api/jobs/:task_id", c.job)
}

type jobResponse struct {
	JobID    uuid.UUID `json:"job_id"`
	TaskID   uuid.UUID `json:"task_id"` // the same
	Status   State     `json:"status"`
	Progress int       `json:"progress"`
}

// job handles GET /api/jobs/{task_id}.
func (c *Client) job(ec echo.Context) error {
	param := ec.Param("task_id")
	id, err := uuid.Parse(param)
	if err != nil || len(param) != 36 {
		return ErrJobNotFound
	}
	s, ok, err := c.store.get(ec.Request().Context(), "id = ?", id)
	if err != nil {
		return fmt.Errorf("job %s: %w", id, err)
	}
	if !ok {
		return ErrJobNotFound
	}
	ec.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return ec.JSON(http.StatusOK, jobResponse{JobID: id, TaskID: id, Status: s.State, Progress: int(s.Progress)})
}
