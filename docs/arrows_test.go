package docs_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The arrows: cmd → modules → platform, and db on its own. Test packages that
// exist for other tests (dbtest) may look across.
func TestPackages_ImportOnlyAlongTheArrows(t *testing.T) {
	t.Parallel()
	imports := map[string][]string{}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "anb/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		imports[words[0]] = words[1:]
	}
	require.Contains(t, imports, "anb/cmd")
	for pkg, all := range imports {
		for _, to := range all {
			if reason := against(pkg, to); reason != "" {
				t.Errorf("%s imports %s: %s", pkg, to, reason)
			}
		}
	}
}

// against says which arrow an import goes against.
func against(from, to string) string {
	a, b := strings.Split(from, "/"), strings.Split(to, "/")
	if a[0] != "anb" || b[0] != "anb" || len(a) < 2 || from == "anb/db/dbtest" {
		return ""
	}
	switch {
	case len(b) < 2, b[1] == "cmd" && a[1] != "cmd":
		return "only main and cmd know cmd"
	case a[1] == "platform" && b[1] != "platform":
		return "platform knows nothing of ours but itself"
	case a[1] == "modules" && b[1] == "modules" && a[2] != b[2]:
		return "modules do not know each other"
	case a[1] == "modules" && b[1] == "db":
		return "modules leave the schema to cmd"
	case a[1] == "db":
		return "db imports nothing of ours"
	}
	return ""
}

func TestAgainst_KnowsTheArrows(t *testing.T) {
	t.Parallel()
	for _, right := range [][2]string{
		{"anb", "anb/cmd"},
		{"anb/cmd", "anb/cmd/internal/app"},
		{"anb/cmd/internal/app", "anb/modules/auth"},
		{"anb/modules/auth", "anb/platform/fault"},
		{"anb/platform/storage", "anb/platform/fault"},
		{"anb/modules/auth", "github.com/google/uuid"},
	} {
		require.Empty(t, against(right[0], right[1]), right)
	}
	for _, wrong := range [][2]string{
		{"anb/modules/auth", "anb/modules/videos"},
		{"anb/modules/auth", "anb/cmd"},
		{"anb/modules/auth", "anb/db"},
		{"anb/platform/fault", "anb/modules/auth"},
		{"anb/platform/fault", "anb/cmd/internal/app"},
		{"anb/platform/fault", "anb/db"},
		{"anb/db", "anb/platform/database"},
		{"anb/modules/auth", "anb"},
	} {
		require.NotEmpty(t, against(wrong[0], wrong[1]), wrong)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
