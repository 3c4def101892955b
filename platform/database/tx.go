package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"anb/platform/fault"
)

type txKey struct{}

type transaction struct {
	db    *gorm.DB
	after []func(context.Context)
}

// ErrCommitUnknown marks the error of a COMMIT whose outcome nobody knows: the
// connection broke before the answer came. What the transaction protected may
// or may not be there.
var ErrCommitUnknown = errors.New("outcome of commit unknown")

// InTx runs f in a transaction that travels in the context it is given: Read
// and Write return it. When ctx carries one already, f takes part in that. The
// transaction is rolled back when f fails or panics; InTx returns f's error.
//
// BEGIN, COMMIT and ROLLBACK get the query timeout each, BEGIN with the wait
// for a free connection, and all together four of them: a database that does
// not answer is fault.ErrUnavailable, and for COMMIT ErrCommitUnknown too.
func (d *DB) InTx(ctx context.Context, f func(ctx context.Context) error) (err error) {
	if _, ok := ctx.Value(txKey{}).(*transaction); ok {
		return f(ctx)
	}
	// The context of BEGIN is the transaction's for its whole life, so that
	// only a timer can bound one step.
	limited, abort := context.WithTimeout(ctx, 4*d.timeout)
	defer abort()
	tx := &transaction{}
	err = d.step(abort, func() error {
		tx.db = d.write.WithContext(limited).Begin()
		return tx.db.Error
	})
	if err != nil {
		return fmt.Errorf("begin transaction: %w", public(err))
	}
	done := false
	defer func() {
		if !done {
			e := d.step(abort, func() error { return tx.db.Rollback().Error })
			if e != nil && !errors.Is(e, sql.ErrTxDone) {
				err = errors.Join(err, fmt.Errorf("roll back: %w", e))
			}
		}
	}()
	if err := f(context.WithValue(limited, txKey{}, tx)); err != nil {
		return err
	}
	// Known from here: not committed. From Commit's error one could not tell.
	if err := limited.Err(); err != nil {
		return fmt.Errorf("before commit: %w", public(err))
	}
	done = true
	committed := false
	err = d.step(abort, func() error {
		err := tx.db.Commit().Error
		committed = err == nil // at the last moment, perhaps
		return err
	})
	if !committed {
		return fmt.Errorf("commit: %w", commitError(err))
	}
	for _, f := range tx.after {
		f(ctx)
	}
	return nil
}

// step runs one step of a transaction, and aborts the transaction after the
// query timeout: the error is context.DeadlineExceeded then, not that of a
// request that has gone, also when the step itself just succeeded.
func (d *DB) step(abort context.CancelFunc, do func() error) error {
	timer := time.AfterFunc(d.timeout, abort)
	err := do()
	if timer.Stop() {
		return err
	}
	return errors.Join(fmt.Errorf("no answer within %s: %w", d.timeout, context.DeadlineExceeded), err)
}

// AfterCommit runs f once the transaction that ctx carries is committed, with
// a context that carries none; at once when there is no transaction. f is not
// run after a rollback, nor when the process dies first: it is for hints.
func (d *DB) AfterCommit(ctx context.Context, f func(ctx context.Context)) {
	if tx, ok := ctx.Value(txKey{}).(*transaction); ok {
		tx.after = append(tx.after, f)
		return
	}
	f(ctx)
}

// commitError marks the error of a COMMIT unless it is certain that nothing was
// committed: the server refused it or rolled back instead. A FATAL answer is not
// certain: a session that is ended right after COMMIT was carried out reads the
// same as one that is ended right before. Nor is pgconn.SafeToRetry: it is true
// of a connection that broke while the answer was awaited.
func commitError(err error) error {
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server) && server.SeverityUnlocalized == "ERROR" && server.Code != "40003" && !strings.HasPrefix(server.Code, "08"),
		errors.Is(err, pgx.ErrTxCommitRollback), errors.Is(err, sql.ErrTxDone):
		return public(err)
	}
	return errors.Join(ErrCommitUnknown, public(err))
}

// public marks errors that mean "the database is away" as a fault, so that
// clients are told to come back; others stay as they are.
func public(err error) error {
	if err == nil || !Unavailable(err) {
		return err
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.ErrUnavailable.Because(err)
}

// sqliteBusy means that another process is writing.
const sqliteBusy = 5

// Unavailable reports whether err means that the database could not be
// reached, did not answer in time, or is starting or stopping.
func Unavailable(err error) bool {
	var (
		connect *pgconn.ConnectError
		server  *pgconn.PgError
		network net.Error
		lite    interface{ Code() int } // SQLite's
	)
	switch {
	case errors.As(err, &lite):
		return lite.Code()&0xff == sqliteBusy
	case errors.As(err, &server):
		switch server.Code {
		case "57P01", "57P02", "57P03", // stopping, crashed, starting
			"53300", "53400", // too many connections, configured limit
			"53100",          // disk full
			"57014", "25P03": // statement or idle timeout
			return true
		}
		return strings.HasPrefix(server.Code, "08") // connection exceptions
	case errors.As(err, &connect), errors.As(err, &network),
		errors.Is(err, driver.ErrBadConn), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, sql.ErrConnDone), errors.Is(err, net.ErrClosed):
		return true
	}
	return pgconn.SafeToRetry(err) && !errors.Is(err, context.Canceled)
}

const cancelKey = "anb:cancel"

// guard gives every statement its timeout and marks errors of absence.
func guard(g *gorm.DB, timeout time.Duration) error {
	before := func(db *gorm.DB) {
		ctx, cancel := context.WithTimeout(db.Statement.Context, timeout)
		db.Statement.Context = ctx
		db.InstanceSet(cancelKey, cancel)
	}
	after := func(db *gorm.DB) {
		if cancel, ok := db.InstanceGet(cancelKey); ok {
			cancel.(context.CancelFunc)()
		}
		db.Error = public(db.Error)
	}
	// The result of Row, Rows and Scan is read after the callbacks: there, only
	// time ends the context.
	mark := func(db *gorm.DB) { db.Error = public(db.Error) }
	c := g.Callback()
	return errors.Join(
		c.Row().Before("gorm:row").Register("anb:before", before),
		c.Row().After("gorm:row").Register("anb:after", mark),
		c.Create().Before("gorm:create").Register("anb:before", before),
		c.Create().After("gorm:create").Register("anb:after", after),
		c.Query().Before("gorm:query").Register("anb:before", before),
		c.Query().After("gorm:query").Register("anb:after", after),
		c.Update().Before("gorm:update").Register("anb:before", before),
		c.Update().After("gorm:update").Register("anb:after", after),
		c.Delete().Before("gorm:delete").Register("anb:before", before),
		c.Delete().After("gorm:delete").Register("anb:after", after),
		c.Raw().Before("gorm:raw").Register("anb:before", before),
		c.Raw().After("gorm:raw").Register("anb:after", after),
	)
}
