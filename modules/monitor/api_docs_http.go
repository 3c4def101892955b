package monitor

import (
	"cmp"
	_ "embed" // the document
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"anb/platform/openapi"
)

//go:embed assets/openapi.yaml
var apiYAML string

// apiJSON and apiReference are the document in the forms in which it is asked
// for, made when that happens first.
var (
	apiJSON      = sync.OnceValues(func() ([]byte, error) { return openapi.Convert(apiYAML) })
	apiReference = sync.OnceValues(newReference)
)

// apiDocument handles GET /api/v1/openapi.json.
func (m *Module) apiDocument(c echo.Context) error {
	text, err := apiJSON()
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, text)
}

// reference is the document as its page shows it.
type reference struct {
	Title       string
	Description []string // by paragraph
	Groups      []referenceGroup
	Errors      []openapi.ErrorCode
}

type referenceGroup struct {
	Name, Description string
	Operations        []referenceOperation
}

type referenceOperation struct {
	Method, Path, Summary, Description, Role string
	Parameters                               []referenceField
	Body                                     []referenceField
	Answers                                  []referenceAnswer
}

type referenceField struct {
	Name, In, Type, Description string
	Required                    bool
}

type referenceAnswer struct{ Status, Description string }

// document is the part of OpenAPI that the page shows.
type document struct {
	Info struct{ Title, Description string }
	Tags []struct{ Name, Description string }

	Paths      map[string]map[string]documentOperation
	Components struct {
		Parameters map[string]documentParameter
		Responses  map[string]struct{ Description string }
		Schemas    map[string]documentSchema
	}
}

type documentOperation struct {
	Summary, Description string
	Tags                 []string
	Role                 string `json:"x-role"`
	Parameters           []documentReference
	RequestBody          struct {
		Content map[string]struct{ Schema documentReference }
	} `json:"requestBody"`
	Responses map[string]struct {
		Ref         string `json:"$ref"`
		Description string
	}
}

type documentReference struct {
	Ref string `json:"$ref"`
}

// name is the last part of a reference.
func (r documentReference) name() string { return r.Ref[strings.LastIndex(r.Ref, "/")+1:] }

type documentParameter struct {
	Name, In, Description string
	Required              bool
	Schema                documentSchema
}

type documentSchema struct {
	Ref         string `json:"$ref"`
	Type        any
	Description string
	Enum        []any
	Required    []string
	Properties  map[string]documentSchema
}

// words is what a field may be.
func (s documentSchema) words() string {
	if len(s.Enum) > 0 {
		return strings.Join(list(s.Enum, func(v any) string { return fmt.Sprint(v) }), " | ")
	}
	if s.Ref != "" {
		return documentReference{s.Ref}.name()
	}
	return fmt.Sprint(s.Type)
}

func newReference() (reference, error) {
	text, err := apiJSON()
	if err != nil {
		return reference{}, err
	}
	var d document
	if err := json.Unmarshal(text, &d, json.MatchCaseInsensitiveNames(true)); err != nil {
		return reference{}, fmt.Errorf("read openapi.yaml: %w", err)
	}
	r := reference{Title: d.Info.Title, Description: paragraphs(d.Info.Description)}
	if r.Errors, err = openapi.CatalogueOf(apiYAML); err != nil {
		return r, err
	}
	for _, tag := range d.Tags {
		g := referenceGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
				if o := d.Paths[path][method]; slices.Contains(o.Tags, tag.Name) {
					g.Operations = append(g.Operations, d.operation(method, path, o))
				}
			}
		}
		r.Groups = append(r.Groups, g)
	}
	return r, nil
}

// paragraphs splits what is written in Markdown; that of the document has lists
// and nothing else.
func paragraphs(text string) []string {
	return strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\n* ", "\n\n* "), "\n\n")
}

func (d document) operation(method, path string, o documentOperation) referenceOperation {
	out := referenceOperation{Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Description: o.Description, Role: o.Role}
	for _, ref := range o.Parameters {
		p := d.Components.Parameters[ref.name()]
		out.Parameters = append(out.Parameters, referenceField{p.Name, p.In, p.Schema.words(), p.Description, p.Required})
	}
	for _, media := range o.RequestBody.Content {
		s := d.Components.Schemas[media.Schema.name()]
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			f := s.Properties[name]
			out.Body = append(out.Body, referenceField{name, "body", f.words(), f.Description, slices.Contains(s.Required, name)})
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		a := o.Responses[status]
		known := d.Components.Responses[documentReference{a.Ref}.name()]
		out.Answers = append(out.Answers, referenceAnswer{status, cmp.Or(a.Description, known.Description)})
	}
	return out
}

// apiDocs handles GET /api/v1/docs.
func (m *Module) apiDocs(c echo.Context) error {
	r, err := apiReference()
	if err != nil {
		return err
	}
	v := m.view(c, "api", "API", "API")
	v.Page = r
	return m.pages.render(c, http.StatusOK, "api", v)
}
