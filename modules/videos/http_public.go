package videos

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/cache"
	"anb/platform/fault"
	"anb/platform/httpserver"
)

// maxSearch is the longest search text, in bytes.
const maxSearch = 200

// publicList handles GET /api/public/videos.
func (h handler) publicList(c echo.Context) error {
	f, err := parseFilter(c)
	if err != nil {
		return err
	}
	if len(f.search) > maxSearch || len(f.city) > maxSearch {
		return fault.ErrParameter
	}
	key := "videos?" + c.QueryParams().Encode()
	answer, err := cache.Get(c.Request().Context(), h.Public, key, func(ctx context.Context) (*httpserver.Answer, error) {
		rows, after, err := h.store.list(ctx, f)
		if err != nil {
			return nil, err
		}
		total, err := h.store.count(ctx, f)
		if err != nil {
			return nil, err
		}
		items := make([]publicItem, len(rows))
		for i, p := range rows {
			items[i] = h.publicItem(p)
		}
		head := http.Header{"X-Total-Count": {httpserver.Total(total)}}
		if after != nil {
			head.Set("Link", h.next(c, f, after))
		}
		return httpserver.NewAnswer(items, head)
	})
	if err != nil {
		return err
	}
	return answer.Send(c)
}

// publicDetail handles GET /api/public/videos/{video_id}.
func (h handler) publicDetail(c echo.Context) error {
	id, err := ParseID(c.Param("video_id"))
	if err != nil {
		return err
	}
	answer, err := cache.Get(c.Request().Context(), h.Public, "video/"+id.String(), func(ctx context.Context) (*httpserver.Answer, error) {
		p, err := h.store.published(ctx, id)
		if err != nil {
			return nil, err
		}
		return httpserver.NewAnswer(h.publicItem(p), nil)
	})
	if err != nil {
		return err
	}
	return answer.Send(c)
}

// cities handles GET /api/public/cities.
func (h handler) cities(c echo.Context) error {
	answer, err := cache.Get(c.Request().Context(), h.Public, "cities", func(ctx context.Context) (*httpserver.Answer, error) {
		names, err := h.store.cities(ctx)
		if err != nil {
			return nil, err
		}
		items := make([]cityItem, len(names))
		for i, name := range names {
			items[i] = cityItem{City: name}
		}
		return httpserver.NewAnswer(items, nil)
	})
	if err != nil {
		return err
	}
	return answer.Send(c)
}

// progress tells where the processing of v stands; 100 only when it is done.
func (h handler) progress(ctx context.Context, v Video) (task taskID, stage string, percent int, err error) {
	task, stage, p, _, err := h.Queue.Latest(ctx, v.ID)
	if err != nil {
		return task, "", 0, err
	}
	if v.Status == Processed {
		return task, "", 100, nil
	}
	return task, stage, min(int(p), 99), nil
}

const (
	eventPoll      = time.Second      // how often a stream looks
	eventHeartbeat = 15 * time.Second // keeps proxies from closing a quiet stream
	eventLife      = 30 * time.Minute // then the browser connects again, and is checked again
)
