package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestERD_HasTheTablesAndColumnsOfTheMigratedSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	var columns []struct{ Table, Column string }
	err := d.Read(t.Context()).Raw(`SELECT m.name AS "table", c.name AS "column" FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'goose_db_version'`).Scan(&columns).Error
	require.NoError(t, err)
	want := map[string][]string{}
	for _, c := range columns {
		want[c.Table] = append(want[c.Table], c.Column)
	}
	require.NotEmpty(t, want)

	_, rest, ok := strings.Cut(read(t, "ERD.md"), "```mermaid\nerDiagram\n")
	require.True(t, ok, "ERD.md has no diagram")
	diagram, _, _ := strings.Cut(rest, "```")
	got := map[string][]string{}
	entity := regexp.MustCompile(`(?ms)^    (\w+) \{\n(.*?)^    \}`)
	column := regexp.MustCompile(`(?m)^        \w+ (\w+)`)
	for _, m := range entity.FindAllStringSubmatch(diagram, -1) {
		require.NotContains(t, got, m[1], "drawn twice")
		for _, c := range column.FindAllStringSubmatch(m[2], -1) {
			got[m[1]] = append(got[m[1]], c[1])
		}
	}
	require.Equal(t, want, got)

	for _, m := range regexp.MustCompile(`(?m)^    (\w+) \S+--?\S+ (\w+) :`).FindAllStringSubmatch(diagram, -1) {
		require.Contains(t, got, m[1])
		require.Contains(t, got, m[2])
	}
}
