// Package dbtest gives each test a fresh, migrated database of its own, on
// both dialects. PostgreSQL is a private server on a socket in a temporary
// folder: no port that another server could hold, and nobody else's data.
package dbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db"
	"anb/platform/database"
)

// Each runs f as a subtest on PostgreSQL and one on SQLite, in parallel.
func Each(t *testing.T, f func(t *testing.T, d *database.DB)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, Postgres(t))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
}

// SQLite returns a migrated SQLite database in a file of its own.
func SQLite(t testing.TB) *database.DB {
	t.Helper()
	return Open(t, "sqlite:"+filepath.Join(t.TempDir(), "anb.db"), true)
}

// Postgres returns a migrated PostgreSQL database of its own.
func Postgres(t testing.TB) *database.DB {
	t.Helper()
	return Open(t, PostgresURL(t, true), false)
}

// Open opens the database at url for the length of the test and migrates it if
// asked to.
func Open(t testing.TB, url string, migrate bool) *database.DB {
	t.Helper()
	d, err := database.Open(database.Config{URL: url, MaxOpen: 8, QueryTimeout: 20 * time.Second}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	if migrate {
		require.NoError(t, up(t.Context(), d))
	}
	return d
}

func up(ctx context.Context, d *database.DB) error {
	pool, err := d.SQL()
	if err != nil {
		return err
	}
	p, err := db.Provider(pool, string(d.Dialect()), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

var (
	shared struct {
		once     sync.Once
		server   *Server
		err      error
		template sync.Once
		made     error
	}
	names atomic.Int64
)

// Main runs the tests of a package and then stops the server they shared. Call
// it from TestMain in every package that uses PostgreSQL: os.Exit(dbtest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop postgres:", err)
			return 1
		}
	}
	return code
}

// PostgresURL returns the address of a database of its own on the server that
// the tests of this process share, migrated or empty.
func PostgresURL(t testing.TB, migrated bool) string {
	t.Helper()
	s := sharedServer(t)
	name := fmt.Sprintf("t%d_%s", names.Add(1), strings.ToLower(strings.Map(letters, t.Name())))
	name = name[:min(len(name), 60)]
	if !migrated {
		require.NoError(t, s.exec("CREATE DATABASE "+name))
		return s.URL(name)
	}
	// Copying a migrated database is faster than migrating each.
	shared.template.Do(func() {
		if shared.made = s.exec("CREATE DATABASE migrated"); shared.made != nil {
			return
		}
		d, err := database.Open(database.Config{URL: s.URL("migrated"), MaxOpen: 2, QueryTimeout: 20 * time.Second}, slog.New(slog.DiscardHandler))
		if err == nil {
			if err = up(context.Background(), d); err == nil {
				err = d.Close()
			}
		}
		shared.made = err
	})
	require.NoError(t, shared.made)
	require.NoError(t, s.exec("CREATE DATABASE "+name+" TEMPLATE migrated"))
	return s.URL(name)
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

func requirePostgres(t testing.TB) {
	t.Helper()
	if _, err := binary("postgres"); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func sharedServer(t testing.TB) *Server {
	t.Helper()
	requirePostgres(t)
	shared.once.Do(func() { shared.server, shared.err = Start() })
	require.NoError(t, shared.err)
	return shared.server
}
