package openapitest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Route is one route of a server, its path in any of the forms /a/{id},
// /a/:id and /a/*.
type Route struct {
	Method string
	Path   string
}

// Uncovered lists, sorted, the documented successes (2xx) that no checked
// answer has shown yet, as "GET /api/videos 200".
func (c *Checker) Uncovered() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				key := method + " " + path + " " + status
				if strings.HasPrefix(status, "2") && !c.seen[key] {
					missing = append(missing, key)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func (c *Checker) cover(method, path string, status int) {
	if method == "HEAD" {
		method = "GET"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprintf("%s %s %d", method, path, status)] = true
}

var pathParameter = regexp.MustCompile(`\{[^}]*\}|:[^/]+|\*[^/]*`)

// RoutesMissing lists, sorted, the routes that doc does not describe. HEAD
// routes count as their GET; names of path parameters do not matter.
func RoutesMissing(doc *openapi3.T, routes []Route) []string {
	known := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			known[method+" "+pathParameter.ReplaceAllString(path, "{}")] = true
		}
	}
	var missing []string
	for _, r := range routes {
		method := r.Method
		if method == "HEAD" {
			method = "GET"
		}
		path := pathParameter.ReplaceAllString(r.Path, "{}")
		if len(path) > 1 {
			path = strings.TrimSuffix(path, "/")
		}
		if !known[method+" "+path] {
			missing = append(missing, r.Method+" "+r.Path)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}
