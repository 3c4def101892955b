package backup

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/jackc/pgx/v5"

	"anb/db"
	"anb/platform/database"
)

// begin brings an empty database to the archive's schema, and locks it.
func (l *loader) begin(ctx context.Context, m manifest) error {
	l.Log.InfoContext(ctx, "restoring", slog.String("program", m.Program), slog.Time("made", m.At), slog.Int64("schema", m.Schema))
	if err := l.migrate(ctx, m); err != nil {
		return err
	}
	tx, err := l.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	l.tx = tx
	if err := unlimited(ctx, tx, usePatience); err != nil {
		return err
	}
	if l.there, err = layout(ctx, tx); err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	there := l.there
	// Readers may look, and see nothing until the end.
	if _, err := tx.Exec(ctx, "LOCK TABLE "+named(there)+", goose_db_version IN EXCLUSIVE MODE"); err != nil {
		return fmt.Errorf("lock tables: %w", busy(err))
	}
	var version int64
	if err := tx.QueryRow(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&version); err != nil {
		return fmt.Errorf("look at the schema: %w", err)
	}
	if version != m.Schema {
		return ErrBusy // with another's migrations
	}
	if err := l.empty(ctx, tx, there); err != nil {
		return err
	}
	if err := alike(m.Tables, there); err != nil {
		return err
	}
	return l.clear(ctx, there)
}

// migrate brings the schema to the archive's version.
func (l *loader) migrate(ctx context.Context, m manifest) error {
	newest, err := db.Newest(l.pool, string(database.Postgres))
	if err != nil {
		return err
	}
	if m.Schema < cmp.Or(l.oldest, oldest) {
		return fmt.Errorf("%w: its schema is %d, and no archive is of one before %d", ErrDamaged, m.Schema, oldest)
	}
	if m.Schema > newest {
		return fmt.Errorf("%w for the archive: its schema is %d, and this is for %d; restore it with %q or a later one", ErrVersion, m.Schema, newest, m.Program)
	}
	if l.was, err = l.migrations.GetDBVersion(ctx); err != nil {
		return fmt.Errorf("look at the schema: %w", err)
	}
	if l.was > newest {
		return fmt.Errorf("%w for the database: its schema is %d, and this is for %d; use the anb that migrated it", ErrVersion, l.was, newest)
	}
	// One that is in use stays as it is.
	err = pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		if err := unlimited(ctx, tx, usePatience); err != nil {
			return err
		}
		there, err := layout(ctx, tx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		return l.empty(ctx, tx, there)
	})
	if err != nil {
		return busy(err)
	}
	switch {
	case l.was < m.Schema:
		_, err = l.migrations.UpTo(ctx, m.Schema)
	case l.was > m.Schema:
		l.down = true
		_, err = l.migrations.DownTo(ctx, m.Schema)
	}
	if err != nil {
		return fmt.Errorf("bring the schema to version %d: %w", m.Schema, err)
	}
	return nil
}

// empty fails with ErrOccupied when the platform is in use.
func (l *loader) empty(ctx context.Context, tx pgx.Tx, there []table) error {
	for _, t := range there {
		if !slices.Contains(telling, t.Name) {
			continue
		}
		var used bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+named([]table{t})+")").Scan(&used); err != nil {
			return fmt.Errorf("look into table %s: %w", t.Name, err)
		}
		if used {
			return fmt.Errorf("%w: table %s has rows", ErrOccupied, t.Name)
		}
	}
	return nil
}

// alike compares the archive's tables with those that are there.
func alike(archive, there []table) error {
	for _, t := range archive {
		i := slices.IndexFunc(there, func(o table) bool { return o.Name == t.Name })
		if i < 0 {
			return fmt.Errorf("%w: it has a table %q that its schema has not", ErrDamaged, t.Name)
		}
		if !slices.Equal(slices.Sorted(slices.Values(t.Columns)), slices.Sorted(slices.Values(there[i].Columns))) {
			return fmt.Errorf("%w: its table %s has the columns %q and its schema %q", ErrDamaged, t.Name, t.Columns, there[i].Columns)
		}
	}
	for _, t := range there {
		if !slices.ContainsFunc(archive, func(o table) bool { return o.Name == t.Name }) {
			return fmt.Errorf("%w: it lacks table %s", ErrDamaged, t.Name)
		}
	}
	return nil
}

// clear removes what an unused platform may have: samples, pauses, sign-ins to
// the dashboard. Its log of operators' deeds stays, as always.
func (l *loader) clear(ctx context.Context, there []table) error {
	for _, t := range slices.Backward(there) {
		if slices.Contains(telling, t.Name) || t.Name == "audit_events" {
			continue
		}
		if _, err := l.tx.Exec(ctx, "DELETE FROM "+named([]table{t})); err != nil {
			return fmt.Errorf("clear table %s: %w", t.Name, err)
		}
	}
	return nil
}

// has reports whether the archive's schema has a column.
func (l *loader) has(of, column string) bool {
	return slices.ContainsFunc(l.there, func(t table) bool { return t.Name == of && slices.Contains(t.Columns, column) })
}
