package videos

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
)

type handler struct{ *service }

// Routes registers the module's routes.
func (m *Module) Routes(e *echo.Echo) {
	h, own := m.http, m.Require
	drain := httpserver.Drain(m.Config.MaxBytes + drainMore)
	e.POST("/api/videos/upload", h.upload, drain, own, h.measures.uploads)
	e.POST("/api/videos", h.upload, drain, own, h.measures.uploads)
	httpserver.GET(e, "/api/videos", h.list, own)
	httpserver.GET(e, "/api/videos/:video_id", h.detail, own)
	e.DELETE("/api/videos/:video_id", h.delete, own)
	httpserver.GET(e, "/api/videos/:video_id/events", h.events, own)
	httpserver.GET(e, "/api/videos/:video_id/original", h.original)
	httpserver.GET(e, "/api/public/videos", h.publicList)
	httpserver.GET(e, "/api/public/videos/:video_id", h.publicDetail)
	httpserver.GET(e, "/api/public/videos/:video_id/stream", h.stream)
	httpserver.GET(e, "/api/public/videos/:video_id/thumbnail", h.thumbnail)
	httpserver.GET(e, "/api/public/cities", h.cities)
	httpserver.GET(e, "/processed/:name", h.processed)
}

// ParseID reads a video's id: the canonical form of a UUID, anything else is
// ErrNotFound.
func ParseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return uuid.Nil, ErrNotFound
	}
	return id, nil
}

type item struct {
	VideoID       uuid.UUID  `json:"video_id"`
	Title         string     `json:"title"`
	Status        Status     `json:"status"`
	UploadedAt    time.Time  `json:"uploaded_at"`
	Votes         int64      `json:"votes"`
	ProcessedAt   *time.Time `json:"processed_at,omitempty"`
	ProcessedURL  string     `json:"processed_url,omitempty"`
	ThumbnailURL  string     `json:"thumbnail_url,omitempty"`
	FailureCode   string     `json:"failure_code,omitempty"`
	FailureReason string     `json:"failure_reason,omitempty"`
}

func (h handler) item(v Video) item {
	i := item{VideoID: v.ID, Title: v.Title, Status: v.Status, UploadedAt: v.UploadedAt, Votes: v.Votes}
	switch v.Status {
	case Processed:
		i.ProcessedAt = &v.ProcessedAt
		i.ProcessedURL, i.ThumbnailURL = h.address(v.ProcessedKey), h.address(v.ThumbnailKey)
	case Failed:
		i.FailureCode, i.FailureReason = v.FailureCode, h.Reason(v.FailureCode)
	}
	return i
}

// address is where a processed file is served, by nginx or by us.
func (h handler) address(key string) string { return h.PublicURL + "/processed/" + key }

// list handles GET /api/videos.
func (h handler) list(c echo.Context) error {
	user, _ := identity.From(c.Request().Context())
	order, err := httpserver.One(c.QueryParams(), "order", "asc", "desc")
	if err != nil {
		return err
	}
	vs, err := h.store.own(c.Request().Context(), user.UserID, order == "desc")
	if err != nil {
		return err
	}
	items := make([]item, len(vs))
	for i, v := range vs {
		items[i] = h.item(v)
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return c.JSON(http.StatusOK, items)
}

type detailResponse struct {
	item
	OriginalURL string    `json:"original_url"`
	TaskID      uuid.UUID `json:"task_id"`
	Progress    int       `json:"progress"`
}

// mine is the caller's video that the path names.
func (h handler) mine(c echo.Context) (Video, error) {
	user, _ := identity.From(c.Request().Context())
	id, err := ParseID(c.Param("video_id"))
	if err != nil {
		return Video{}, err
	}
	return h.service.own(c.Request().Context(), user.UserID, id)
}

// detail handles GET /api/videos/{video_id}.
func (h handler) detail(c echo.Context) error {
	ctx := c.Request().Context()
	v, err := h.mine(c)
	if err != nil {
		return err
	}
	task, _, progress, err := h.progress(ctx, v)
	if err != nil {
		return err
	}
	original, err := h.originalURL(ctx, v)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return c.JSON(http.StatusOK, detailResponse{item: h.item(v), OriginalURL: original, TaskID: task, Progress: progress})
}

type deleteResponse struct {
	Message string    `json:"message"`
	VideoID uuid.UUID `json:"video_id"`
}

// delete handles DELETE /api/videos/{video_id}.
func (h handler) delete(c echo.Context) error {
	ctx := c.Request().Context()
	user, _ := identity.From(ctx)
	id, err := ParseID(c.Param("video_id"))
	if err != nil {
		return err
	}
	if err := h.remove(ctx, user.UserID, id); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, deleteResponse{Message: "El video ha sido eliminado exitosamente.", VideoID: id})
}

type publicItem struct {
	VideoID      uuid.UUID `json:"video_id"`
	Title        string    `json:"title"`
	Username     string    `json:"username"`
	City         string    `json:"city"`
	Status       Status    `json:"status"`
	UploadedAt   time.Time `json:"uploaded_at"`
	ProcessedAt  time.Time `json:"processed_at"`
	ProcessedURL string    `json:"processed_url"`
	ThumbnailURL string    `json:"thumbnail_url"`
	Votes        int64     `json:"votes"`
}

func (h handler) publicItem(p published) publicItem {
	return publicItem{
		VideoID: p.ID, Title: p.Title, Username: p.Username, City: p.City, Status: Processed,
		UploadedAt: p.UploadedAt.Time, ProcessedAt: p.ProcessedAt.Time,
		ProcessedURL: h.address(p.ProcessedKey), ThumbnailURL: h.address(p.ThumbnailKey), Votes: p.VoteCount,
	}
}

type cityItem struct {
	City string `json:"city"`
}

// parseFilter reads the query of the public list.
func parseFilter(c echo.Context) (filter, error) {
	var f filter
	q := c.QueryParams()
	page, err := httpserver.ParsePage(c)
	if err != nil {
		return f, err
	}
	f.page = page
	sort, err := httpserver.One(q, "sort", string(Recent), string(Top))
	if err != nil {
		return f, err
	}
	f.sort = Sort(sort)
	if f.city, err = httpserver.One(q, "city"); err != nil {
		return f, err
	}
	if f.search, err = httpserver.One(q, "q"); err != nil {
		return f, err
	}
	if !q.Has("cursor") {
		return f, nil
	}
	if q.Has("offset") || q.Has("page") { // one or the other
		return f, fault.ErrParameter
	}
	after, err := httpserver.One(q, "cursor")
	if err != nil {
		return f, err
	}
	f.after, err = parseCursor(after, f.sort)
	return f, err
}

// next is the Link to the following page.
func (h handler) next(c echo.Context, f filter, after *cursor) string {
	q := c.Request().URL.Query()
	for _, k := range []string{"offset", "page", "page_size"} {
		q.Del(k)
	}
	q.Set("limit", strconv.Itoa(f.page.Limit))
	q.Set("cursor", after.String())
	return "<" + h.PublicURL + c.Path() + "?" + q.Encode() + `>; rel="next"`
}
