package rankings

import (
	"context"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/cache"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
)

// Routes registers the module's routes.
func (m *Module) Routes(e *echo.Echo) {
	e.POST("/api/public/videos/:video_id/vote", m.vote, m.Require)
	httpserver.GET(e, "/api/public/videos/:video_id/vote-status", m.status, m.Require)
	httpserver.GET(e, "/api/public/rankings", m.ranking)
	httpserver.GET(e, "/api/public/ranking", m.ranking)
}

type voteResponse struct {
	Message string `json:"message"`
}

// vote handles POST /api/public/videos/{video_id}/vote. A body is not read: who
// votes is in the token, and a vote weighs one.
func (m *Module) vote(c echo.Context) error {
	user, _ := identity.From(c.Request().Context())
	id, err := videoID(c)
	if err != nil {
		return err
	}
	if err := m.Vote(c.Request().Context(), user.UserID, id); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, voteResponse{Message: "Voto registrado exitosamente."})
}

type statusResponse struct {
	VideoID uuid.UUID `json:"video_id"`
	Voted   bool      `json:"voted"`
	CanVote bool      `json:"can_vote"`
	Votes   int64     `json:"votes"`
}

// status handles GET /api/public/videos/{video_id}/vote-status.
func (m *Module) status(c echo.Context) error {
	ctx := c.Request().Context()
	user, _ := identity.From(ctx)
	id, err := videoID(c)
	if err != nil {
		return err
	}
	p, err := m.store.poll(ctx, user.UserID, id)
	if err != nil {
		return err
	}
	open, err := m.store.open(ctx, m.window)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "private, no-store")
	return c.JSON(http.StatusOK, statusResponse{
		VideoID: id, Voted: p.Voted, Votes: p.VoteCount,
		CanVote: open && !p.Voted && (m.Config.OwnVideo || p.UserID != user.UserID),
	})
}

type rankingItem struct {
	Position int    `json:"position"`
	Username string `json:"username"`
	City     string `json:"city"`
	Votes    int64  `json:"votes"`
}

// ranking handles GET /api/public/rankings.
func (m *Module) ranking(c echo.Context) error {
	page, err := httpserver.ParsePage(c)
	if err != nil {
		return err
	}
	city, err := httpserver.One(c.QueryParams(), "city")
	if err != nil {
		return err
	}
	if len(city) > 200 {
		return fault.ErrParameter
	}
	key := "ranking?" + strconv.Itoa(page.Limit) + "&" + strconv.Itoa(page.Offset) + "&" + city
	answer, err := cache.Get(c.Request().Context(), m.Public, key, func(ctx context.Context) (*httpserver.Answer, error) {
		rows, err := m.store.ranking(ctx, city, page)
		if err != nil {
			return nil, err
		}
		total, err := m.store.count(ctx, city)
		if err != nil {
			return nil, err
		}
		items := make([]rankingItem, len(rows))
		for i, r := range rows {
			items[i] = rankingItem{Position: page.Offset + i + 1, Username: r.Username, City: r.City, Votes: r.Votes}
		}
		return httpserver.NewAnswer(items, http.Header{"X-Total-Count": {httpserver.Total(total)}})
	})
	if err != nil {
		return err
	}
	return answer.Send(c)
}

// videoID reads the id of the path; a malformed one names no video.
func videoID(c echo.Context) (uuid.UUID, error) {
	s := c.Param("video_id")
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return uuid.Nil, ErrVideoNotFound
	}
	return id, nil
}
