package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"anb/db"
	"anb/platform/database"
)

const (
	// restoreLock is the advisory lock that a restore holds on its database.
	restoreLock = 0x616e622d72657374
	// usePatience is how long a restore waits for those who use the tables.
	usePatience = 5 * time.Second
	// undoPatience bounds what must be done after a restore, or after its failure.
	undoPatience = 5 * time.Minute
)

// Load reads an archive into an empty platform and brings its schema to that of
// this program. The database has all of the archive or, after an error, none of
// it, and then the files that Load made are removed; it fails with ErrDamaged,
// ErrOccupied, ErrBusy, ErrVersion or ErrDialect among others. Files that are
// there already stay: with another content they are an error, unless the archive
// has only a part of them. Such a part is removed where it is there.
//
// What was under way goes on: jobs that ran are handed back, as if their
// workers had stopped. A video that was deleted before the archive ended is not
// restored.
func (p Platform) Load(ctx context.Context, r io.Reader) (Summary, error) {
	if p.DB.Dialect() != database.Postgres {
		return Summary{}, ErrDialect
	}
	pool, err := p.DB.SQL()
	if err != nil {
		return Summary{}, err
	}
	pool.SetMaxOpenConns(4) // goose needs others than ours
	migrations, err := db.Provider(pool, string(database.Postgres), p.Log)
	if err != nil {
		return Summary{}, err
	}
	var s Summary
	err = onConn(ctx, pool, func(c *pgx.Conn) error {
		// A restore that was just killed may hold it for a moment.
		return holding(ctx, c, restoreLock, false, usePatience, func() (err error) {
			l := &loader{Platform: p, pool: pool, conn: c, migrations: migrations, buf: make([]byte, step)}
			s, err = l.load(ctx, r)
			return err
		})
	})
	if err != nil {
		return Summary{}, err
	}
	// The data is there, whoever may have lost patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	if _, err := migrations.Up(ctx); err != nil {
		return s, fmt.Errorf("everything is restored, but the schema is not current; run: anb migrate up: %w", err)
	}
	return s, nil
}

// busy is ErrBusy where somebody else holds a lock.
func busy(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "55P03" {
		return ErrBusy
	}
	return err
}

// loader is the sink that restores.
type loader struct {
	Platform
	pool       *sql.DB
	conn       *pgx.Conn
	migrations *goose.Provider
	was        int64 // the schema's version before
	down       bool  // whether it was taken back
	tx         pgx.Tx
	there      []table // of the archive's schema
	buf        []byte
	files      []file // that the rows name
	next       int    // in files: the first that may still come
	absent     []file // that did not
	made       []int  // in files
	doubts     []doubt
	witness    *string // the key that was made
}

var _ sink = (*loader)(nil)

func (l *loader) load(ctx context.Context, r io.Reader) (Summary, error) {
	m, t, err := read(ctx, r, &pulse{log: l.Log}, l)
	if err == nil {
		err = l.settle(ctx, t)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		var known bool
		if known, err = l.commit(ctx); err != nil && !known {
			return Summary{}, fmt.Errorf("commit: nobody knows whether it was done; run: anb migrate up, then: anb doctor; if it finds no videos, restore again: %w", err)
		}
	}
	if err != nil {
		return Summary{}, errors.Join(err, l.undo(ctx))
	}
	return summary(m, t), nil
}

// commit reports whether what became of it is known.
func (l *loader) commit(ctx context.Context) (known bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err = l.tx.Commit(ctx)
	var server *pgconn.PgError
	refused := errors.As(err, &server) && server.SeverityUnlocalized == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback)
	return err == nil || refused, err
}

// undo takes back everything but a schema that was not there.
func (l *loader) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	var errs []error
	if l.tx != nil {
		_ = l.tx.Rollback(ctx) // without a connection there is no transaction
	}
	for _, i := range l.made {
		f := l.files[i]
		errs = append(errs, l.store(f.Place).Delete(ctx, f.Key))
	}
	if l.witness != nil {
		errs = append(errs, l.Originals.Delete(ctx, *l.witness))
	}
	if l.down {
		_, err := l.migrations.UpTo(ctx, l.was)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take back what was done: %w", err)
	}
	return nil
}

func (l *loader) table(ctx context.Context, t table, rows io.Reader) (int64, error) {
	g := &gate{from: rows}
	// Without a connection CopyFrom ends although it still reads.
	defer g.shut()
	tag, err := l.conn.PgConn().CopyFrom(ctx, g, "COPY "+t.columns()+" FROM STDIN")
	if err != nil {
		return 0, fmt.Errorf("restore table %s: %w", t.Name, err)
	}
	return tag.RowsAffected(), nil
}

// gate lets nobody read once it is shut.
type gate struct {
	mu   sync.Mutex
	from io.Reader
}

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.from == nil {
		return 0, io.ErrClosedPipe
	}
	return g.from.Read(p)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.from = nil
}
