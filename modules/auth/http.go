package auth

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
)

// maxDrain is how much of a refused body is read so that its sender sees the
// refusal, in bytes.
const maxDrain = 16 << 20

// Routes registers the module's endpoints.
func (m *Module) Routes(e *echo.Echo) {
	h := handler{m}
	drain := httpserver.Drain(maxDrain)
	e.POST("/api/auth/signup", h.signup, drain)
	e.POST("/api/auth/login", h.login, drain)
	httpserver.GET(e, "/api/auth/me", h.me, m.Require)
	e.PATCH("/api/auth/me", h.update, drain, m.Require)
	e.POST("/api/auth/logout", h.logout, drain, m.Require)
	e.POST("/api/auth/password", h.password, drain, m.Require)
}

type handler struct{ m *Module }

type messageResponse struct {
	Message string `json:"message"`
}

type userResponse struct {
	ID        uuid.UUID     `json:"id"`
	UserID    uuid.UUID     `json:"user_id"`
	Email     string        `json:"email"`
	FirstName string        `json:"first_name"`
	LastName  string        `json:"last_name"`
	City      string        `json:"city"`
	Country   string        `json:"country"`
	Role      identity.Role `json:"role"`
	IsActive  bool          `json:"is_active"`
	CreatedAt time.Time     `json:"created_at"`
}

func userOf(u User) userResponse {
	return userResponse{
		ID: u.ID, UserID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		City: u.City, Country: u.Country, Role: u.Role, IsActive: u.Active, CreatedAt: u.CreatedAt,
	}
}

type signupRequest struct {
	FirstName *string `json:"first_name"`
	LastName  *string `json:"last_name"`
	Email     *string `json:"email"`
	Password1 *string `json:"password1"`
	Password2 *string `json:"password2"`
	City      *string `json:"city"`
	Country   *string `json:"country"`
}

type signupResponse struct {
	Message      string `json:"message"`
	userResponse `json:",inline"`
}

// value takes a missing field, or null, for an empty one, which is refused.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// signup handles POST /api/auth/signup.
func (h handler) signup(c echo.Context) error {
	var req signupRequest
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	u, err := h.m.Signup(c.Request().Context(), Registration{
		FirstName: value(req.FirstName), LastName: value(req.LastName), Email: value(req.Email),
		Password1: value(req.Password1), Password2: value(req.Password2), City: value(req.City), Country: value(req.Country),
	})
	if err != nil {
		return err
	}
	return private(c, http.StatusCreated, signupResponse{msgCreated, userOf(u)})
}

type loginResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

// login handles POST /api/auth/login.
func (h handler) login(c echo.Context) error {
	email, password, err := credentials(c)
	if err != nil {
		return err
	}
	t, err := h.m.Login(c.Request().Context(), email, password)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Pragma", "no-cache") // RFC 6749, section 5.1
	return private(c, http.StatusOK, loginResponse{t.Access, "Bearer", int64(t.ExpiresIn / time.Second)})
}

// me handles GET /api/auth/me.
func (h handler) me(c echo.Context) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	u, err := h.m.Profile(c.Request().Context(), p.UserID)
	if err != nil {
		return err
	}
	return private(c, http.StatusOK, userOf(u))
}

// text is a string that may be left out; null counts as an empty one.
type text struct{ value *string }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	t.value = new(string)
	return json.UnmarshalDecode(d, t.value)
}

type updateRequest struct {
	FirstName text `json:"first_name"`
	LastName  text `json:"last_name"`
	City      text `json:"city"`
	Country   text `json:"country"`
}

// update handles PATCH /api/auth/me.
func (h handler) update(c echo.Context) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	var req updateRequest
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	u, err := h.m.UpdateProfile(c.Request().Context(), p.UserID, Change{
		FirstName: req.FirstName.value, LastName: req.LastName.value, City: req.City.value, Country: req.Country.value,
	})
	if err != nil {
		return err
	}
	return private(c, http.StatusOK, userOf(u))
}

// logout handles POST /api/auth/logout.
func (h handler) logout(c echo.Context) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	if err := h.m.Logout(c.Request().Context(), p); err != nil {
		return err
	}
	return private(c, http.StatusOK, messageResponse{msgLoggedOut})
}

type passwordRequest struct {
	Current *string `json:"current_password"`
	New1    *string `json:"new_password1"`
	New2    *string `json:"new_password2"`
}

// password handles POST /api/auth/password.
func (h handler) password(c echo.Context) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	var req passwordRequest
	if err := httpserver.Bind(c, &req); err != nil {
		return err
	}
	if err := h.m.ChangePassword(c.Request().Context(), p, value(req.Current), value(req.New1), value(req.New2)); err != nil {
		return err
	}
	return private(c, http.StatusOK, messageResponse{msgPassword})
}

// caller returns who is calling; Require stands in front of its users.
func caller(c echo.Context) (identity.Principal, error) {
	p, ok := identity.From(c.Request().Context())
	if !ok {
		return p, fault.ErrUnauthenticated
	}
	return p, nil
}

// private answers what no cache may keep.
func private(c echo.Context, status int, v any) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(status, v)
}
