package crash_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/crash"
)

// constants are the points that crash.go declares, by their names in Go.
func constants(t *testing.T) map[string]crash.Point {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "crash.go", nil, 0)
	require.NoError(t, err)
	out := map[string]crash.Point{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		if of, ok := v.Type.(*ast.Ident); ok && of.Name == "Point" {
			out[v.Names[0].Name] = crash.Point(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	return out
}

// placed lists the arguments of all calls of crash.At in the file at path.
func placed(t *testing.T, path string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isSelector(call.Fun, "At") {
			return true
		}
		require.Len(t, call.Args, 1, path)
		point, ok := call.Args[0].(*ast.SelectorExpr)
		require.True(t, ok, "%s: a point must be one of the constants", path)
		names = append(names, point.Sel.Name)
		return true
	})
	return names
}

func isSelector(e ast.Expr, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return ok && of.Name == "crash"
}

func TestPoints_AreAllListed(t *testing.T) {
	t.Parallel()
	var declared []crash.Point
	for _, p := range constants(t) {
		declared = append(declared, p)
	}
	listed := crash.Points()
	require.ElementsMatch(t, declared, listed)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(listed))), len(listed), "no two have one name")
}

func TestPoints_AreEachAtOnePlace(t *testing.T) {
	t.Parallel()
	var names []string
	require.NoError(t, filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			names = append(names, placed(t, path)...)
		}
		return err
	}))
	var want []string
	for name := range constants(t) {
		want = append(want, name)
	}
	require.ElementsMatch(t, want, names)
}
