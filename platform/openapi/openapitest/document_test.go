package openapitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"anb/platform/fault"
)

// eachJSON calls f for every JSON answer of every operation.
func eachJSON(t *testing.T, doc *openapi3.T, f func(name, status string, media *openapi3.MediaType)) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for method, op := range doc.Paths.Value(path).Operations() {
			for status, res := range op.Responses.Map() {
				for kind, media := range res.Value.Content {
					if strings.HasSuffix(kind, "json") {
						f(method+" "+path+" "+status, status, media)
					}
				}
			}
		}
	}
}

func examplesOf(media *openapi3.MediaType) []any {
	var all []any
	if media.Example != nil {
		all = append(all, media.Example)
	}
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		all = append(all, media.Examples[name].Value.Value)
	}
	return all
}

// marshal gives an example as a server would send it.
func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

// mutations changes v by one dropped or one unknown field at a time, at any
// depth, and undoes it after each call of yield. Fields that an answer may
// leave out, and entries of objects with free keys, are not dropped.
func mutations(at string, v any, yield func(what string)) {
	switch v := v.(type) {
	case map[string]any:
		free := strings.HasSuffix(at, ".checks") || strings.HasSuffix(at, ".links")
		for _, key := range slices.Sorted(maps.Keys(v)) {
			old := v[key]
			optional := free || at+"."+key == ".errors" || at+"."+key == ".stage" || strings.Contains(at, ".checks.") && key == "detail"
			if !optional {
				delete(v, key)
				yield("without " + at + "." + key)
				v[key] = old
			}
			mutations(at+"."+key, old, yield)
		}
		v["unexpected_field"] = 1
		yield("with an unknown field in " + at)
		delete(v, "unexpected_field")
	case []any:
		for i := range v {
			mutations(at, v[i], yield)
		}
	}
}

func TestDocument_EveryJSONAnswerHasAnExampleAndIsStrict(t *testing.T) {
	t.Parallel()
	c := New(t)
	operations, rejected := 0, 0
	eachJSON(t, c.doc, func(name, status string, media *openapi3.MediaType) {
		examples := examplesOf(media)
		require.NotEmpty(t, examples, "%s needs an example", name)
		operations++
		for _, example := range examples {
			text := marshal(t, example)
			require.NoError(t, checkJSON(text, media.Schema.Value), name)
			if strings.HasSuffix(name, "/openapi.json 200") {
				continue // a document about documents is open by nature
			}
			var value any
			require.NoError(t, json.Unmarshal(text, &value))
			mutations("", value, func(what string) {
				require.Error(t, checkJSON(marshal(t, value), media.Schema.Value), "%s: %s must be refused", name, what)
				rejected++
			})
		}
	})
	require.Greater(t, operations, 100)
	require.Greater(t, rejected, 1000)
}

// ofNoOperation are codes of requests that are none of the document's, most of
// them found by the proxy in front.
var ofNoOperation = []string{"FORBIDDEN", "METHOD_NOT_ALLOWED", "MALFORMED_REQUEST", "URI_TOO_LONG", "HEADER_TOO_LARGE"}

func TestDocument_ProblemExamplesAgreeWithTheCatalogue(t *testing.T) {
	t.Parallel()
	c := New(t)
	shown := map[string]bool{}
	eachJSON(t, c.doc, func(name, status string, media *openapi3.MediaType) {
		for _, example := range examplesOf(media) {
			p, ok := example.(map[string]any)
			if !ok || p["code"] == nil {
				continue
			}
			shown[fmt.Sprint(p["code"])] = true
			var code int
			_, err := fmt.Sscan(status, &code)
			require.NoError(t, err)
			require.NoError(t, c.checkProblem(code, marshal(t, example)), name)
		}
	})
	for code, entry := range c.codes {
		require.NotEmpty(t, entry.Detail, code)
		require.NotEmpty(t, entry.Description, code)
		if !entry.Failure && !slices.Contains(ofNoOperation, code) {
			require.True(t, shown[code], "no operation shows %s", code)
		}
	}
}

func TestDocument_CatalogueHasTheSharedFaults(t *testing.T) {
	t.Parallel()
	c := New(t)
	for _, f := range []*fault.Error{fault.ErrUnauthenticated, fault.ErrForbidden, fault.ErrParameter, fault.ErrValidation, fault.ErrUnavailable} {
		require.Equal(t, f.Message, c.codes[f.Code].Detail, f.Code)
	}
}

func TestDocument_EveryAnswerCarriesARequestID(t *testing.T) {
	t.Parallel()
	c := New(t)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, res := range op.Responses.Map() {
				if status != "304" {
					require.Contains(t, res.Value.Headers, "X-Request-Id", "%s %s %s", method, path, status)
				}
				if status == "401" {
					require.Contains(t, res.Value.Headers, "WWW-Authenticate", "%s %s", method, path)
				}
			}
		}
	}
}

func TestRoutesMissing_NamesWhatTheDocumentLacks(t *testing.T) {
	t.Parallel()
	c := New(t)
	got := RoutesMissing(c.doc, []Route{
		{"GET", "/api/videos/:video_id"}, {"HEAD", "/api/videos/:id/"}, {"GET", "/docs/assets/*"}, {"GET", "/"},
		{"PUT", "/api/videos/:video_id"}, {"GET", "/secret"},
	})
	require.Equal(t, []string{"GET /secret", "PUT /api/videos/:video_id"}, got)
}
