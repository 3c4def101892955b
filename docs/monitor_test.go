package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// That the tests which MONITOR.md names have passed is what the report of the
// whole run looks at; here, that each row of the goal names some that exist.
func TestMonitor_EachRowOfTheGoalNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(code, -1) {
			written[string(m[1])] = true
		}
		return err
	}))
	_, table, ok := strings.Cut(read(t, "MONITOR.md"), "| Proved by |\n|---|---|---|---|---|\n")
	require.True(t, ok, "MONITOR.md has no table of the goal")
	name := regexp.MustCompile("`(Test[^`/]+)(?:/[^`]*)?`")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		rows++
		cells := strings.Split(line, " | ")
		proofs := name.FindAllStringSubmatch(cells[len(cells)-1], -1)
		require.NotEmpty(t, proofs, line)
		for _, p := range proofs {
			require.True(t, written[p[1]], "%s is no test", p[1])
		}
	}
	require.GreaterOrEqual(t, rows, 29, "the rows of the goal")
}
