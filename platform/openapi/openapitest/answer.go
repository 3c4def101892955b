package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// maxAnswer bounds the JSON answers that are read for validation.
const maxAnswer = 16 << 20

func (c *Checker) checkAnswer(x exchange, req *http.Request, route *routers.Route, res *http.Response) {
	want := route.Operation.Responses.Status(x.status)
	if want == nil {
		c.report(x, "status is not documented for this operation")
		return
	}
	c.cover(req.Method, route.Path, x.status)
	c.checkResponse(x, want.Value, res)
}

// checkResponse compares headers, content type and body. It leaves the body
// readable; files and event streams are not read ahead.
func (c *Checker) checkResponse(x exchange, want *openapi3.Response, res *http.Response) {
	for name, h := range want.Headers {
		c.checkHeader(x, name, h.Value, res.Header.Values(name))
	}
	if len(want.Content) == 0 || x.method == http.MethodHead {
		return
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		c.report(x, "Content-Type %q: %v", res.Header.Get("Content-Type"), err)
		return
	}
	media := mediaOf(want.Content, kind)
	if media == nil {
		c.report(x, "content type %s is not documented", kind)
		return
	}
	switch {
	case kind == "text/event-stream":
		name, _ := want.Extensions["x-event-data"].(string)
		if schema := c.doc.Components.Schemas[name]; schema != nil {
			res.Body = &eventBody{ReadCloser: res.Body, check: func(data []byte) {
				if err := checkJSON(data, schema.Value); err != nil {
					c.report(x, "event %s: %v", data, err)
				}
			}}
		}
	case media.Schema == nil:
		return
	default:
		c.checkValue(x, kind, media.Schema.Value, res)
	}
}

func (c *Checker) checkValue(x exchange, kind string, schema *openapi3.Schema, res *http.Response) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	rest := res.Body
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), failing{err}, rest), rest}
	if err != nil {
		c.report(x, "read body: %v", err)
		return
	}
	if len(body) > maxAnswer {
		c.report(x, "body is over %d bytes", maxAnswer)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		if err := schema.VisitJSON(string(body), openapi3.EnableJSONSchema2020()); err != nil {
			c.report(x, "%v", err)
		}
		return
	}
	if err := checkJSON(body, schema); err != nil {
		c.report(x, "%v\nbody: %.2000s", err, body)
		return
	}
	if kind == "application/problem+json" {
		if err := c.checkProblem(x.status, body); err != nil {
			c.report(x, "%v", err)
		}
	}
}

// checkProblem compares a problem with the catalogue of codes.
func (c *Checker) checkProblem(status int, body []byte) error {
	var p struct {
		Type, Code, Detail string
		Status             int
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return fmt.Errorf("problem: %w", err)
	}
	entry, ok := c.codes[p.Code]
	switch {
	case !ok || entry.Failure:
		return fmt.Errorf("code %s is not in the catalogue", p.Code)
	case p.Status != status || entry.Status != status:
		return fmt.Errorf("code %s: status is %d, in the body %d, in the catalogue %d", p.Code, status, p.Status, entry.Status)
	case p.Type != "/docs/errors#"+p.Code:
		return fmt.Errorf("code %s: type is %s", p.Code, p.Type)
	case !entry.Varies && p.Detail != entry.Detail:
		return fmt.Errorf("code %s: detail is %q, in the catalogue %q", p.Code, p.Detail, entry.Detail)
	}
	return nil
}

func (c *Checker) checkHeader(x exchange, name string, want *openapi3.Header, values []string) {
	if len(values) == 0 {
		if want.Required {
			c.report(x, "header %s is missing", name)
		}
		return
	}
	for _, v := range values {
		if err := want.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			c.report(x, "header %s: %q: %v", name, v, err)
		}
	}
}

func checkJSON(body []byte, schema *openapi3.Schema) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("decode JSON: %w", err)
	}
	return schema.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation(),
		openapi3.VisitAsResponse(), openapi3.MultiErrors())
}

// mediaOf finds kind itself or its wildcard, as in video/*.
func mediaOf(content openapi3.Content, kind string) *openapi3.MediaType {
	major, _, _ := strings.Cut(kind, "/")
	for _, name := range slices.Compact([]string{kind, major + "/*"}) {
		if m, ok := content[name]; ok {
			if m == nil {
				m = &openapi3.MediaType{}
			}
			return m
		}
	}
	return nil
}

// failing hands the client the error that cut its body short, if any.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}
