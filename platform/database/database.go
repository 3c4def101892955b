// Package database opens PostgreSQL, or SQLite for a laptop, and carries
// transactions through contexts so that several modules can take part in one.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/glebarez/sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Config says where the database is and how it is used.
type Config struct {
	URL          string        `mapstructure:"url"`           // postgres://… or sqlite:path/to/file.db; a secret
	MaxOpen      int           `mapstructure:"max_open"`      // connections; as many are kept idle
	QueryTimeout time.Duration `mapstructure:"query_timeout"` // for one statement
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.Dialect(); err != nil {
		errs = append(errs, err)
	}
	if c.MaxOpen < 1 {
		errs = append(errs, errors.New("database.max_open must be at least 1 (ANB_DATABASE_MAX_OPEN)"))
	}
	if c.QueryTimeout <= 0 {
		errs = append(errs, errors.New("database.query_timeout must be positive, such as 5s (ANB_DATABASE_QUERY_TIMEOUT)"))
	}
	return errors.Join(errs...)
}

// Dialect is the SQL that a database speaks.
type Dialect string

// The two dialects; every store is tested on both.
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// Dialect tells from the URL which database it names.
func (c Config) Dialect() (Dialect, error) {
	switch scheme, _, _ := strings.Cut(c.URL, ":"); scheme {
	case "postgres", "postgresql":
		return Postgres, nil
	case "sqlite":
		return SQLite, nil
	case "":
		return "", errors.New("database.url is empty; set DATABASE_URL or ANB_DATABASE_URL, such as postgres://user:password@host:5432/name")
	default:
		return "", errors.New("database.url must begin with postgres:// or sqlite: (DATABASE_URL or ANB_DATABASE_URL)")
	}
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	write, read *gorm.DB
	dialect     Dialect
	timeout     time.Duration
}

// Open opens the database without waiting for it to answer; see Ping. The
// caller closes it.
func Open(c Config, log *slog.Logger) (*DB, error) {
	dialect, err := c.Dialect()
	if err != nil {
		return nil, err
	}
	d := &DB{dialect: dialect, timeout: c.QueryTimeout}
	if dialect == Postgres {
		dialector, err := postgresDialector(c)
		if err != nil {
			return nil, err
		}
		d.write, err = open(dialector, c, log, c.MaxOpen)
		d.read = d.write
		return d, err
	}
	path := strings.TrimPrefix(strings.TrimPrefix(c.URL, "sqlite:"), "//")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("create the database's folder: %w", err)
	}
	// SQLite: a transaction that reads and then writes fails at once, whatever
	// the busy timeout, unless it begins immediate. So one connection writes,
	// immediately, and others read (WAL lets them).
	pragmas := fmt.Sprintf("?_pragma=busy_timeout(%d)", c.QueryTimeout.Milliseconds()) + "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)"
	if d.write, err = open(sqlite.Open(path+pragmas+"&_txlock=immediate"), c, log, 1); err != nil {
		return nil, err
	}
	if d.read, err = open(sqlite.Open(path+pragmas+"&_pragma=query_only(1)"), c, log, max(2, c.MaxOpen/2)); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// postgresDialector bounds connecting by the query timeout unless the URL has a
// connect_timeout: database/sql also connects in the background, with no
// request's context, and a connection that is never answered would keep its
// slot of the pool for ever.
func postgresDialector(c Config) (gorm.Dialector, error) {
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", withoutSecrets(err, c.URL))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = c.QueryTimeout
	}
	return postgres.New(postgres.Config{Conn: stdlib.OpenDB(*config)}), nil
}

func open(dialector gorm.Dialector, c Config, log *slog.Logger, conns int) (*gorm.DB, error) {
	g, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		TranslateError:         true,
		Logger:                 quiet{log},
		NowFunc:                func() time.Time { return time.Now().UTC() },
		// No PrepareStmt: pgx caches statements by itself, and gorm's cache
		// makes transactions parse each one again.
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", withoutSecrets(err, c.URL))
	}
	if err := guard(g, c.QueryTimeout); err != nil {
		return nil, err
	}
	pool, err := g.DB()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns) // fewer would reconnect all the time
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return g, nil
}

// withoutSecrets drops an error's text when it repeats the URL's password.
func withoutSecrets(err error, url string) error {
	if url != "" && strings.Contains(err.Error(), url) {
		return errors.New("database.url cannot be parsed")
	}
	return err
}

// Dialect tells which SQL the database speaks.
func (d *DB) Dialect() Dialect { return d.dialect }

// Write returns the transaction that ctx carries, or else a handle for single
// statements that change something.
func (d *DB) Write(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		return tx.db.WithContext(ctx)
	}
	return d.write.WithContext(ctx)
}

// Read returns the transaction that ctx carries, or else a handle for
// statements that only read.
func (d *DB) Read(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		return tx.db.WithContext(ctx)
	}
	return d.read.WithContext(ctx)
}

// Now is an SQL expression for the database's clock at this statement, in the
// type in which Time columns are stored.
func (d *DB) Now() string {
	if d.dialect == SQLite {
		return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
	}
	return "clock_timestamp()"
}

// Ago is an SQL expression for the database's clock moved by the parameter
// that replaces its question mark: see Offset.
func (d *DB) Ago() string {
	if d.dialect == SQLite {
		return "(" + d.Now() + " - ?)"
	}
	return "(clock_timestamp() - ? * interval '1 microsecond')"
}

// In is like Ago, forward in time.
func (d *DB) In() string {
	if d.dialect == SQLite {
		return "(" + d.Now() + " + ?)"
	}
	return "(clock_timestamp() + ? * interval '1 microsecond')"
}

// Elapsed is an SQL expression for the whole microseconds from one time column
// or expression to another.
func (d *DB) Elapsed(from, to string) string {
	if d.dialect == SQLite {
		return "(" + to + " - " + from + ")"
	}
	return "CAST(extract(epoch FROM " + to + " - " + from + ") * 1000000 AS bigint)"
}

// Ping reports whether the database answers within the query timeout.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	pool, err := d.write.DB()
	if err != nil {
		return err
	}
	if err := pool.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// SQL returns the pool beneath, for migrations.
func (d *DB) SQL() (*sql.DB, error) { return d.write.DB() }

// Close closes all connections.
func (d *DB) Close() error {
	var errs []error
	for _, g := range []*gorm.DB{d.write, d.read} {
		if g == nil {
			continue
		}
		if pool, err := g.DB(); err == nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// quiet passes gorm's own complaints on; statements and their errors are the
// callers' to report.
type quiet struct{ log *slog.Logger }

func (q quiet) LogMode(logger.LogLevel) logger.Interface { return q }
func (q quiet) Info(context.Context, string, ...any)     {}
func (q quiet) Warn(ctx context.Context, msg string, args ...any) {
	q.log.WarnContext(ctx, "gorm", slog.String("message", fmt.Sprintf(msg, args...)))
}

func (q quiet) Error(ctx context.Context, msg string, args ...any) {
	q.log.ErrorContext(ctx, "gorm", slog.String("message", fmt.Sprintf(msg, args...)))
}
func (q quiet) Trace(context.Context, time.Time, func() (string, int64), error) {}
