package backup

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// tables are those of an archive, each after those that it refers to. A test
// compares them with the schema.
var tables = []string{
	"users", "sessions", "videos", "votes", "player_totals", "jobs", "job_attempts",
	"queue_pauses", "queue_samples", "monitor_sessions", "audit_events", "operations",
}

// fleeting are the tables that no archive has: reports of workers that will not
// be there. goose keeps its own table.
var fleeting = []string{"workers", "worker_samples"}

// telling are the tables whose rows make a platform one that is in use.
var telling = []string{"users", "videos", "votes", "jobs"}

// onConn runs f on a connection of its own. No timeout bounds its statements.
func onConn(ctx context.Context, pool *sql.DB, f func(*pgx.Conn) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close()
	return conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn()) })
}

// holding runs f while the session holds an advisory lock, shared or alone, for
// which it waits no longer than patience.
func holding(ctx context.Context, c *pgx.Conn, id int64, shared bool, patience time.Duration, f func() error) error {
	kind := ""
	if shared {
		kind = "_shared"
	}
	err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := unlimited(ctx, tx, patience); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_advisory_lock"+kind+"($1)", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("lock the database: %w", busy(err))
	}
	// The pool keeps the connection, and so would the lock stay.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), usePatience)
		defer cancel()
		_, _ = c.Exec(ctx, "SELECT pg_advisory_unlock"+kind+"($1)", id) // or the session has ended
	}()
	return f()
}

// unlimited takes the limits of time away that the server may have for a
// transaction, except that it waits for locks for no more than patience, and
// the ways of writing values that lose something.
func unlimited(ctx context.Context, tx pgx.Tx, patience time.Duration) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1; SET LOCAL lock_timeout = %d;
		SELECT set_config(name, '0', true) FROM pg_settings
			WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`, patience.Milliseconds()))
	return err
}

// layout lists those of our tables that are there, with their columns.
func layout(ctx context.Context, tx pgx.Tx) ([]table, error) {
	rows, err := tx.Query(ctx, `SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
		FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ANY($1) GROUP BY table_name`, tables)
	if err != nil {
		return nil, err
	}
	there, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	slices.SortFunc(there, func(a, b table) int { return slices.Index(tables, a.Name) - slices.Index(tables, b.Name) })
	return there, err
}

// columns is a table with its columns, as COPY wants them.
func (t table) columns() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = pgx.Identifier{c}.Sanitize()
	}
	return pgx.Identifier{t.Name}.Sanitize() + " (" + strings.Join(names, ", ") + ")"
}

// named lists the names of tables, as LOCK wants them.
func named(all []table) string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = pgx.Identifier{t.Name}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// file is what a row says of a file.
type file struct {
	Place  string
	Key    string
	Video  uuid.UUID
	Bytes  *int64
	SHA256 *string
}

// files lists the files that videos name, in the order of an archive. Before
// version 4 of the schema the sums of published files are not there: sums says
// whether they are asked for. It takes some hundred bytes of memory for each.
func files(ctx context.Context, tx pgx.Tx, sums bool) ([]file, error) {
	of := func(name string) string {
		if !sums {
			return "NULL::bigint, NULL::text"
		}
		return name + "_bytes, " + name + "_sha256"
	}
	rows, err := tx.Query(ctx, `SELECT 'originals' COLLATE "C" AS place, original_key COLLATE "C" AS key, id, `+of("original")+` FROM videos
		UNION ALL SELECT 'processed', processed_key, id, `+of("processed")+` FROM videos WHERE processed_key IS NOT NULL
		UNION ALL SELECT 'processed', thumbnail_key, id, `+of("thumbnail")+` FROM videos WHERE thumbnail_key IS NOT NULL
		ORDER BY place, key`)
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[file])
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return all, nil
}
