package database_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// thing is a row of the table that these tests use; N is unique.
type thing struct {
	ID int64
	N  int64
}

// withThings makes the table things, with a row of each n.
func withThings(t *testing.T, d *database.DB, ns ...int64) {
	t.Helper()
	require.NoError(t, d.Write(t.Context()).Exec("CREATE TABLE things (id bigint PRIMARY KEY, n bigint NOT NULL)").Error)
	for _, n := range ns {
		insert(t, t.Context(), d, n)
	}
}

func insert(t *testing.T, ctx context.Context, d *database.DB, n int64) {
	t.Helper()
	require.NoError(t, d.Write(ctx).Create(&thing{ID: n, N: n}).Error)
}

// things returns what another connection sees.
func things(t *testing.T, d *database.DB) []int64 {
	t.Helper()
	ns := []int64{}
	require.NoError(t, d.Read(t.Context()).Table("things").Order("n").Pluck("n", &ns).Error)
	return ns
}

func open(t *testing.T, url string, timeout time.Duration) *database.DB {
	t.Helper()
	d, err := database.Open(database.Config{URL: url, MaxOpen: 4, QueryTimeout: timeout}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}
