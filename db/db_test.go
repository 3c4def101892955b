package db_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db"
	"anb/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"postgres", "sqlite"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			url := "sqlite:" + filepath.Join(t.TempDir(), "anb.db")
			if dialect == "postgres" {
				url = dbtest.PostgresURL(t, false)
			}
			pool, err := dbtest.Open(t, url, false).SQL()
			require.NoError(t, err)
			p, err := db.Provider(pool, dialect, slog.New(slog.DiscardHandler))
			require.NoError(t, err)

			require.ErrorIs(t, db.Check(t.Context(), pool, dialect), db.ErrOldSchema, "an empty database is too old")

			_, err = p.Up(t.Context())
			require.NoError(t, err)
			require.NoError(t, db.Check(t.Context(), pool, dialect))

			_, err = p.DownTo(t.Context(), 0)
			require.NoError(t, err)
			require.ErrorIs(t, db.Check(t.Context(), pool, dialect), db.ErrOldSchema)
			_, err = p.Up(t.Context())
			require.NoError(t, err, "down leaves nothing that up trips over")
		})
	}
}

func TestMigrations_TenAtOnceAllSucceed(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t, false)
	var wg sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		pool, err := dbtest.Open(t, url, false).SQL()
		require.NoError(t, err)
		wg.Go(func() {
			p, err := db.Provider(pool, "postgres", slog.New(slog.DiscardHandler))
			if err == nil {
				_, err = p.Up(t.Context())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestMigrations_GiveUpRatherThanHoldUpEverybody(t *testing.T) {
	t.Parallel()
	pool, err := dbtest.Open(t, dbtest.PostgresURL(t, true), false).SQL()
	require.NoError(t, err)
	reader, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = reader.ExecContext(t.Context(), "LOCK TABLE jobs IN ACCESS SHARE MODE")
	require.NoError(t, err)
	p, err := db.Provider(pool, "postgres", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = p.Down(t.Context())
	require.ErrorContains(t, err, "lock timeout")
	require.NoError(t, reader.Rollback())
	_, err = p.Down(t.Context())
	require.NoError(t, err)
	var limited int
	require.NoError(t, pool.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_settings WHERE name = 'lock_timeout' AND setting <> '0'").Scan(&limited))
	require.Zero(t, limited, "the pool has its connection back")
}
