package videos

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/httpserver"
	"anb/platform/lifecycle"
)

type taskID = uuid.UUID

// event is the data of a "status" event.
type event struct {
	VideoID  uuid.UUID `json:"video_id"`
	Status   Status    `json:"status"`
	Progress int       `json:"progress"`
	Stage    string    `json:"stage,omitempty"`
}

// events handles GET /api/videos/{video_id}/events: an event at once and at
// each change, until the video is processed, failed or deleted.
func (h handler) events(c echo.Context) error {
	ctx := c.Request().Context()
	v, err := h.mine(c)
	if err != nil {
		return err
	}
	_, extend := httpserver.Rolling(c, h.pace())
	w := c.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set(echo.HeaderCacheControl, "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx: pass each event on
	w.WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	poll := time.NewTicker(eventPoll)
	defer poll.Stop()
	life := time.NewTimer(eventLife)
	defer life.Stop()
	var last event
	spoke := time.Now()
	for n := 1; ; n++ {
		_, stage, percent, err := h.progress(ctx, v)
		if err != nil {
			return err
		}
		now := event{VideoID: v.ID, Status: v.Status, Progress: percent, Stage: stage}
		extend()
		switch {
		case now != last:
			data, err := json.Marshal(now)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "id: %d\nevent: status\ndata: %s\n\n", n, data); err != nil {
				return nil // the client has gone
			}
			last, spoke = now, time.Now()
			w.Flush()
		case time.Since(spoke) >= eventHeartbeat:
			if _, err := fmt.Fprint(w, ": \n\n"); err != nil {
				return nil
			}
			spoke = time.Now()
			w.Flush()
		}
		if v.final() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-lifecycle.Stopping(ctx):
			return nil
		case <-life.C:
			return nil
		case <-poll.C:
		}
		if v, err = h.mine(c); err != nil {
			return nil // deleted: the stream ends
		}
	}
}
