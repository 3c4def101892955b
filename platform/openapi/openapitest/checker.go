// Package openapitest checks real requests and answers against the document.
//
// A Checker wraps the transport of a test's client. Every answer must be one
// that the document promises, to the field; every request that succeeded must
// be one that it allows; and Uncovered tells what was never exercised.
package openapitest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"anb/platform/openapi"
)

// Checker compares traffic with the document. It is safe for concurrent use.
type Checker struct {
	tb     reporter
	doc    *openapi3.T
	router routers.Router
	codes  map[string]openapi.ErrorCode

	mu   sync.Mutex
	seen map[string]bool // "GET /health 200"
}

// reporter is the part of testing.TB that tests of the Checker replace.
type reporter interface {
	Errorf(format string, args ...any)
}

// New loads and validates the document, its examples included; it stops the
// test when the document is not valid OpenAPI 3.1.
func New(tb testing.TB) *Checker {
	tb.Helper()
	return Of(tb, openapi.YAML())
}

// Of does as New does with another document in YAML.
func Of(tb testing.TB, document string) *Checker {
	tb.Helper()
	c, err := load(tb, document)
	if err != nil {
		tb.Fatalf("openapitest: %v", err)
	}
	return c
}

func load(tb reporter, document string) (*Checker, error) {
	text, err := openapi.Convert(document)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("validate document: %w", err)
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation())
	if err != nil {
		return nil, fmt.Errorf("route document: %w", err)
	}
	catalogue, err := openapi.CatalogueOf(document)
	if err != nil {
		return nil, err
	}
	codes := make(map[string]openapi.ErrorCode, len(catalogue))
	for _, e := range catalogue {
		codes[e.Code] = e
	}
	return &Checker{tb: tb, doc: doc, router: router, codes: codes, seen: map[string]bool{}}, nil
}

// Document returns the loaded document, for tests that walk over it; it must
// not be changed.
func (c *Checker) Document() *openapi3.T { return c.doc }

// Transport returns a transport that sends through base (nil means
// http.DefaultTransport) and checks what passes. Problems are reported to the
// test with Errorf and do not change what the client sees. OPTIONS requests
// are not checked.
func (c *Checker) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{checker: c, base: base}
}

type transport struct {
	checker *Checker
	base    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodOptions {
		return t.base.RoundTrip(req)
	}
	sent := req.Clone(req.Context())
	body := record(sent)
	res, err := t.base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	c := t.checker
	x := exchange{method: req.Method, path: req.URL.Path, status: res.StatusCode}
	route, params, err := c.find(req)
	if err != nil {
		c.checkUnknown(x, req, err, res)
		return res, nil
	}
	if res.StatusCode/100 == 2 {
		c.checkRequest(x, req, body, route, params)
	}
	c.checkAnswer(x, req, route, res)
	return res, nil
}

// exchange names a request and its answer in reports.
type exchange struct {
	method, path string
	status       int
}

func (c *Checker) report(x exchange, format string, args ...any) {
	c.tb.Errorf("contract: %s %s -> %d: %s", x.method, x.path, x.status, fmt.Sprintf(format, args...))
}

// find looks the operation up. HEAD is GET, and a trailing slash is nothing.
func (c *Checker) find(req *http.Request) (*routers.Route, map[string]string, error) {
	u := *req.URL
	u.Scheme, u.Host = "", ""
	if trimmed := strings.TrimRight(u.Path, "/"); trimmed != "" {
		u.Path, u.RawPath = trimmed, strings.TrimRight(u.RawPath, "/")
	} else {
		u.Path = "/"
	}
	lookup := &http.Request{Method: req.Method, URL: &u, Header: req.Header}
	if req.Method == http.MethodHead {
		lookup.Method = http.MethodGet
	}
	return c.router.FindRoute(lookup)
}

// checkUnknown is for what the document does not list: only 404, and 405 when
// the path is known, may be the answer.
func (c *Checker) checkUnknown(x exchange, req *http.Request, cause error, res *http.Response) {
	name := "NotFound"
	if x.status == http.StatusMethodNotAllowed {
		name = "MethodNotAllowed"
	}
	if x.status != http.StatusNotFound && x.status != http.StatusMethodNotAllowed {
		c.report(x, "not in the document: %v", cause)
		return
	}
	if x.status == http.StatusNotFound && c.knownPath(req) {
		c.report(x, "the document knows the path with other methods: want 405")
		return
	}
	c.checkResponse(x, c.doc.Components.Responses[name].Value, res)
}

// knownPath reports whether the document has req's path with any method; the
// router does not tell.
func (c *Checker) knownPath(req *http.Request) bool {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, _, err := c.find(&http.Request{Method: method, URL: req.URL, Header: req.Header}); err == nil {
			return true
		}
	}
	return false
}
