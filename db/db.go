// Package db holds the schema: goose migrations for each dialect. Only they
// change it, expand first and contract a release later, so that the previous
// binary still runs on the new schema.
package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// ErrOldSchema says that the schema lacks migrations that this binary needs.
var ErrOldSchema = errors.New("the database schema is older than this program needs; run: anb migrate up")

// Lock is the advisory lock of PostgreSQL that migrations hold. Whoever reads
// all tables for long holds it shared.
const Lock = lock.DefaultLockID

// lockPatience is how long a migration waits for a table: meanwhile everybody
// else waits behind it.
const lockPatience = 10 * time.Second

// Provider returns goose's provider of the migrations for dialect, "postgres"
// or "sqlite", on pool. On PostgreSQL each of its runs holds a session lock, so
// that any number may start at once. Closing it closes pool.
func Provider(pool *sql.DB, dialect string, log *slog.Logger) (*goose.Provider, error) {
	sub, err := fs.Sub(migrations, "migrations/"+dialect)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithSlog(log), goose.WithDisableGlobalRegistry(true)}
	if dialect != "postgres" {
		return goose.NewProvider(goose.DialectSQLite3, pool, sub, options...)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(Lock), lock.WithLockTimeout(1, 300)) // asks each second for five minutes
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, pool, sub, append(options, goose.WithSessionLocker(hurried{locker}))...)
}

// hurried is a locker whose session waits for tables no longer than lockPatience.
type hurried struct{ lock.SessionLocker }

func (h hurried) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := h.SessionLocker.SessionLock(ctx, conn); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("SET lock_timeout = %d", lockPatience.Milliseconds()))
	return err
}

func (h hurried) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET lock_timeout")
	return errors.Join(err, h.SessionLocker.SessionUnlock(ctx, conn))
}

// Newest returns the version of the last migration of this binary for dialect.
func Newest(pool *sql.DB, dialect string) (int64, error) {
	p, err := Provider(pool, dialect, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	sources := p.ListSources()
	return sources[len(sources)-1].Version, nil
}

// Check returns ErrOldSchema when the schema lacks a migration of this binary.
// A newer schema is fine.
func Check(ctx context.Context, pool *sql.DB, dialect string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	newest, err := Newest(pool, dialect)
	if err != nil {
		return err
	}
	var applied sql.NullInt64
	// Only reads: asking goose would create its table in an empty database.
	err = pool.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&applied)
	if ctx.Err() != nil {
		return fmt.Errorf("read schema version: %w", ctx.Err())
	}
	if e := pool.PingContext(ctx); e != nil {
		return fmt.Errorf("read schema version: %w", e)
	}
	if err != nil || applied.Int64 < newest {
		return ErrOldSchema
	}
	return nil
}
