package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/modules/processing"
	"anb/platform/httpserver"
	"anb/platform/openapi"
	"anb/platform/openapi/openapitest"
)

// faults are the calls of fault.New in the program: code, kind and sentence,
// which is empty when it is made at run time.
type madeFault struct{ file, kind, code, message string }

func faults(t *testing.T) (out []madeFault) {
	t.Helper()
	for _, dir := range []string{"modules", "platform"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("../../..", dir), func(path string, e fs.DirEntry, err error) error {
			if e != nil && e.IsDir() && e.Name() == "monitor" {
				return fs.SkipDir // the dashboard's answers are not the API's
			}
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 3 || !isFaultNew(file, call.Fun) {
					return true
				}
				f := madeFault{file: path, kind: name(call.Args[0]), code: text(call.Args[1]), message: text(call.Args[2])}
				if f.code != "" { // processing gives the reasons' codes, see below
					out = append(out, f)
				}
				return true
			})
			return nil
		}))
	}
	return out
}

func isFaultNew(file *ast.File, fun ast.Expr) bool {
	if s, ok := fun.(*ast.SelectorExpr); ok {
		return name(s.X) == "fault" && s.Sel.Name == "New"
	}
	return file.Name.Name == "fault" && name(fun) == "New"
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func text(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

var statuses = map[string]int{
	"Internal": 500, "Invalid": 400, "Unauthenticated": 401, "Forbidden": 403, "NotFound": 404, "NotAllowed": 405, "Timeout": 408,
	"TooLarge": 413, "Unsupported": 415, "BadRange": 416, "TooMany": 429, "Unavailable": 503,
}

// ofTheDashboard are faults that only it answers with.
var ofTheDashboard = []string{"WORKER_NOT_FOUND", "JOB_STATE_CONFLICT", "VIDEO_GONE"}

func TestCatalogue_HasEveryFaultOfTheProgramAndNoOther(t *testing.T) {
	t.Parallel()
	entries, err := openapi.Catalogue()
	require.NoError(t, err)
	catalogue := map[string]openapi.ErrorCode{}
	for _, e := range entries {
		catalogue[e.Code] = e
	}
	made := map[string]bool{}
	all := faults(t)
	require.Greater(t, len(all), 25, "the search finds them")
	for _, f := range all {
		if slices.Contains(ofTheDashboard, f.code) {
			continue
		}
		made[f.code] = true
		e, ok := catalogue[f.code]
		require.True(t, ok, "%s of %s is not in the catalogue", f.code, f.file)
		require.Equal(t, statuses[f.kind], e.Status, "%s of %s", f.code, f.file)
		if !e.Varies {
			require.Equal(t, e.Detail, f.message, "%s of %s", f.code, f.file)
		}
	}
	for _, r := range processing.Reasons() {
		made[r.Code()] = true
		e, ok := catalogue[r.Code()]
		require.True(t, ok, "%s is not in the catalogue", r.Code())
		require.Equal(t, r.Message(), e.Detail, r.Code())
		require.Equal(t, !r.Permanent() || r == processing.ReasonCancelled, e.Failure, "%s refuses no upload", r.Code())
	}
	for _, p := range ofNginx(t) {
		made[p.code] = true
		e, ok := catalogue[p.code]
		require.True(t, ok, "%s of nginx is not in the catalogue", p.code)
		require.Equal(t, openapi.ErrorCode{Code: p.code, Status: p.status, Detail: p.detail, Description: e.Description}, e)
		require.Equal(t, http.StatusText(p.status), p.title, p.code)
	}
	for code := range catalogue {
		require.True(t, made[code], "%s is in the catalogue, and nowhere in the program", code)
	}
}

// ofNginx are the problems that nginx answers by itself.
func ofNginx(t *testing.T) (out []nginxProblem) {
	t.Helper()
	data, err := os.ReadFile("../../../nginx/default.conf")
	require.NoError(t, err)
	values := func(variable string) map[int]string {
		_, rest, ok := strings.Cut(string(data), "map $status $problem_"+variable+" {\n")
		require.True(t, ok, variable)
		block, _, _ := strings.Cut(rest, "}")
		found := map[int]string{}
		for _, m := range regexp.MustCompile(`(?m)^    (\d+) "?(.+?)"?;$`).FindAllStringSubmatch(block, -1) {
			status, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			found[status] = m[2]
		}
		return found
	}
	titles, details := values("title"), values("detail")
	for status, code := range values("code") {
		out = append(out, nginxProblem{status, code, titles[status], details[status]})
	}
	require.NotEmpty(t, out)
	require.Len(t, titles, len(out))
	require.Len(t, details, len(out))
	return out
}

type nginxProblem struct {
	status              int
	code, title, detail string
}

func TestContract_HasNoConflict(t *testing.T) {
	t.Parallel()
	entries, err := openapi.Catalogue()
	require.NoError(t, err)
	for _, e := range entries {
		require.NotEqual(t, http.StatusConflict, e.Status, e.Code)
		require.NotContains(t, ofTheDashboard, e.Code)
	}
	for path, item := range openapitest.New(t).Document().Paths.Map() {
		for method, o := range item.Operations() {
			require.Nil(t, o.Responses.Value("409"), method+" "+path)
		}
	}
	for _, f := range faults(t) {
		require.Equal(t, f.kind == "Conflict" || f.code == "WORKER_NOT_FOUND", slices.Contains(ofTheDashboard, f.code), f.code)
	}
}

func TestRoutes_AreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	_, e := open(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	doc := openapitest.New(t).Document()
	var routes []openapitest.Route
	served := map[string]bool{}
	for _, r := range httpserver.Routes(e) {
		method, path, _ := strings.Cut(r, " ")
		routes = append(routes, openapitest.Route{Method: method, Path: path})
		served[method+" "+plainPath(path)] = true
	}
	require.Empty(t, openapitest.RoutesMissing(doc, routes), "served and not documented")
	var missing []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if r := method + " " + plainPath(path); !served[r] {
				missing = append(missing, r)
			}
		}
	}
	slices.Sort(missing)
	require.Empty(t, missing, "documented and not served")
}

// plainPath forgets the names of parameters.
func plainPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") || strings.HasPrefix(p, "{") || strings.HasPrefix(p, "*") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}
