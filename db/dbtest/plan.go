package dbtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"anb/platform/database"
)

// Statement is one statement as gorm sent it.
type Statement struct {
	SQL  string
	Args []any
}

// Statements runs f and returns what it sent through d, in order. Nothing else
// may use d meanwhile.
func Statements(t testing.TB, d *database.DB, f func()) []Statement {
	t.Helper()
	var (
		mu  sync.Mutex
		out []Statement
	)
	note := func(g *gorm.DB) {
		if g.DryRun { // a part of another statement
			return
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, Statement{g.Statement.SQL.String(), slices.Clone(g.Statement.Vars)})
	}
	const name = "dbtest:note"
	handles := []*gorm.DB{d.Write(t.Context())}
	if d.Dialect() == database.SQLite { // which reads through another handle
		handles = append(handles, d.Read(t.Context()))
	}
	for _, h := range handles {
		c := h.Callback()
		require.NoError(t, c.Create().After("gorm:create").Register(name, note))
		require.NoError(t, c.Query().After("gorm:query").Register(name, note))
		require.NoError(t, c.Update().After("gorm:update").Register(name, note))
		require.NoError(t, c.Delete().After("gorm:delete").Register(name, note))
		require.NoError(t, c.Row().After("gorm:row").Register(name, note))
		require.NoError(t, c.Raw().After("gorm:raw").Register(name, note))
	}
	f()
	for _, h := range handles {
		c := h.Callback()
		require.NoError(t, c.Create().Remove(name))
		require.NoError(t, c.Query().Remove(name))
		require.NoError(t, c.Update().Remove(name))
		require.NoError(t, c.Delete().Remove(name))
		require.NoError(t, c.Row().Remove(name))
		require.NoError(t, c.Raw().Remove(name))
	}
	return out
}

// Plan returns how the database would carry out the statement, one step a
// line. It is not carried out. Plans mean something only after ANALYZE, on
// tables of some thousand rows.
func Plan(t testing.TB, d *database.DB, statement string, args ...any) string {
	t.Helper()
	explain := "EXPLAIN (COSTS OFF) "
	if d.Dialect() == database.SQLite {
		explain = "EXPLAIN QUERY PLAN "
	}
	pool, err := d.SQL()
	require.NoError(t, err)
	rows, err := pool.QueryContext(t.Context(), explain+statement, args...)
	require.NoError(t, err, statement)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		require.NoError(t, rows.Scan(cells...))
		fmt.Fprintln(&plan, *cells[len(cells)-1].(*any)) // the text is the last
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// Plans returns the plan of each statement that f sends through d.
func Plans(t testing.TB, d *database.DB, f func()) []string {
	t.Helper()
	var out []string
	for _, s := range Statements(t, d, f) {
		out = append(out, Plan(t, d, s.SQL, s.Args...))
	}
	return out
}

// whole finds the tables that a plan reads from end to end.
var whole = map[database.Dialect]*regexp.Regexp{
	database.Postgres: regexp.MustCompile(`Seq Scan on (\w+)`),
	database.SQLite:   regexp.MustCompile(`(?m)^SCAN (\w+)$`), // an index would follow; a table goes by its alias here
}

// RequireIndexed runs f and fails when a statement of it sends d through the
// whole of one of the tables (in SQLite: their aliases).
func RequireIndexed(t testing.TB, d *database.DB, f func(), tables ...string) {
	t.Helper()
	statements := Statements(t, d, f)
	require.NotEmpty(t, statements, "no statement was sent")
	for _, s := range statements {
		plan := Plan(t, d, s.SQL, s.Args...)
		for _, m := range whole[d.Dialect()].FindAllStringSubmatch(plan, -1) {
			require.NotContains(t, tables, m[1], "%s\nreads a whole table:\n%s", s.SQL, plan)
		}
	}
}
