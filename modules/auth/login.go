package auth

import (
	"io"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"anb/platform/fault"
	"anb/platform/httpserver"
)

// maxForm is the size of a login form, in bytes.
const maxForm = 64 << 10

type loginRequest struct {
	Email    *string `json:"email"`
	Password *string `json:"password"`
}

// credentials reads the body, JSON or the form of OAuth2's password flow, and
// never the query, which ends up in logs.
func credentials(c echo.Context) (email, password string, err error) {
	media, params, _ := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	name := "email"
	if media == echo.MIMEApplicationForm {
		name = "username"
		email, password, err = form(c, params)
	} else {
		var req loginRequest
		err = httpserver.Bind(c, &req)
		email, password = value(req.Email), value(req.Password)
	}
	if err != nil {
		return "", "", err
	}
	var fields []fault.Field
	if strings.TrimSpace(email) == "" {
		fields = append(fields, required(name))
	}
	if password == "" {
		fields = append(fields, required("password"))
	}
	return email, password, fault.Validation(fields)
}

func form(c echo.Context, params map[string]string) (username, password string, err error) {
	r := c.Request()
	if e := r.Header.Get(echo.HeaderContentEncoding); e != "" && !strings.EqualFold(e, "identity") {
		return "", "", errFormUnsupported
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", "", errFormUnsupported
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	switch {
	case err != nil:
		return "", "", errFormMalformed.Because(err)
	case len(body) > maxForm:
		return "", "", errFormTooLarge
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", "", errFormMalformed.Because(err)
	}
	for _, name := range []string{"username", "password"} {
		v := values[name]
		if len(v) > 1 {
			return "", "", errFormMalformed
		}
		if len(v) == 1 && (!utf8.ValidString(v[0]) || strings.ContainsRune(v[0], 0)) {
			return "", "", fault.Validation([]fault.Field{badCharacter(name)})
		}
	}
	return values.Get("username"), values.Get("password"), nil
}
