package cmd

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// graph is what each package of ours imports directly.
type graph map[string][]string

// arrows lists the imports that break the rules of the layout.
func arrows(g graph) []string {
	var out []string
	for from, imports := range g {
		for _, to := range imports {
			if strings.HasPrefix(to, "anb/") && !allowed(from, to) {
				out = append(out, from+" -> "+to)
			}
		}
	}
	slices.Sort(out)
	return out
}

func allowed(from, to string) bool {
	under := func(path, folder string) bool {
		return path == "anb/"+folder || strings.HasPrefix(path, "anb/"+folder+"/")
	}
	switch {
	case from == "anb", under(from, "cmd"):
		return true // the only places that know everything
	case under(from, "modules"):
		own := strings.Join(strings.SplitN(from, "/", 4)[:3], "/")
		return under(to, "platform") || to == own || strings.HasPrefix(to, own+"/")
	case under(from, "platform"):
		return under(to, "platform")
	case from == "anb/db/dbtest":
		return to == "anb/db" || to == "anb/platform/database"
	}
	return false // db imports nothing of ours
}

func TestArrows_WrongOnesAreFound(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"anb/db -> anb/platform/database", "anb/db/dbtest -> anb/modules/auth", "anb/modules/auth -> anb/cmd", "anb/modules/auth -> anb/db",
		"anb/modules/auth -> anb/modules/authority", "anb/modules/auth -> anb/modules/videos", "anb/platform/fault -> anb/db", "anb/platform/fault -> anb/modules/auth",
	}, arrows(graph{
		"anb":                  {"anb/cmd"},
		"anb/cmd/internal/app": {"anb/modules/auth", "anb/db"},
		"anb/modules/auth":     {"fmt", "anb/modules/videos", "anb/modules/auth/testdata", "anb/modules/authority", "anb/platform/fault", "anb/db", "anb/cmd"},
		"anb/platform/fault":   {"anb/modules/auth", "anb/platform/logging", "anb/db"},
		"anb/db":               {"anb/platform/database"},
		"anb/db/dbtest":        {"anb/db", "anb/platform/database", "anb/modules/auth"},
	}))
}

func golist(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	c.Dir = ".."
	out, err := c.Output()
	require.NoError(t, err)
	return out
}

func TestArrows_TheProgramHasNoWrongOne(t *testing.T) {
	t.Parallel()
	g := graph{}
	for d := json.NewDecoder(bytes.NewReader(golist(t, "-json=ImportPath,Imports", "./..."))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, d.Decode(&p))
		g[p.ImportPath] = p.Imports
	}
	require.Contains(t, g, "anb/modules/videos")
	require.Contains(t, g, "anb/platform/httpserver")
	require.Empty(t, arrows(g))
}

func TestBinary_LinksNothingThatIsForTests(t *testing.T) {
	t.Parallel()
	linked := string(golist(t, "-deps", "./cmd")) // main adds the standard library
	require.Contains(t, linked, "gorm.io/gorm")
	for line := range strings.Lines(linked) {
		for _, bad := range []string{"testing", "testing/", "github.com/stretchr/testify", "github.com/getkin/kin-openapi", "github.com/chromedp", "anb/db/dbtest"} {
			line = strings.TrimSpace(line)
			require.False(t, line == bad || strings.HasPrefix(line, bad+"/"), "%s is linked", line)
		}
	}
}

// keepers says in which files alone a library may be imported.
var keepers = map[string]func(path string) bool{
	"gorm.io/": func(path string) bool {
		return strings.HasSuffix(path, "store.go") || strings.HasPrefix(path, "platform/database/") || strings.HasPrefix(path, "db/dbtest/")
	},
	"github.com/spf13/viper": func(path string) bool { return path == "cmd/internal/app/load.go" },
}

// misplaced lists the imports of a file that belong elsewhere.
func misplaced(path string, imports []string) []string {
	var out []string
	for _, to := range imports {
		for prefix, ok := range keepers {
			if strings.HasPrefix(to, prefix) && !ok(path) {
				out = append(out, path+" -> "+to)
			}
		}
	}
	return out
}

func TestLibraries_StayInTheirFiles(t *testing.T) {
	t.Parallel()
	require.Len(t, misplaced("modules/videos/http.go", []string{"gorm.io/gorm", "github.com/spf13/viper", "fmt"}), 2)
	require.Empty(t, misplaced("modules/videos/public_store.go", []string{"gorm.io/gorm/clause"}))
	var wrong []string
	seen := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || path == "../deps.go" {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		seen++
		var imports []string
		for _, i := range f.Imports {
			imports = append(imports, strings.Trim(i.Path.Value, `"`))
		}
		wrong = append(wrong, misplaced(strings.TrimPrefix(path, "../"), imports)...)
		return nil
	}))
	require.Greater(t, seen, 50)
	require.Empty(t, wrong)
}
