package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/fault"
)

// statements are the ways in which stores send one.
func statements(d *database.DB, sql string, args ...any) map[string]func(context.Context) error {
	var n []int64
	return map[string]func(context.Context) error{
		"exec": func(ctx context.Context) error { return d.Write(ctx).Exec(sql, args...).Error },
		"find": func(ctx context.Context) error { return d.Read(ctx).Raw(sql, args...).Find(&n).Error },
		"scan": func(ctx context.Context) error { return d.Read(ctx).Raw(sql, args...).Scan(&n).Error },
		"rows": func(ctx context.Context) error {
			rows, err := d.Read(ctx).Raw(sql, args...).Rows()
			if err == nil {
				err = errors.Join(rows.Err(), rows.Close())
			}
			return err
		},
	}
}

func TestStatement_IsCutAfterTheQueryTimeout(t *testing.T) {
	t.Parallel()
	d := open(t, dbtest.PostgresURL(t, false), 200*time.Millisecond)
	for name, send := range statements(d, "SELECT 1 FROM pg_sleep(30)") {
		began := time.Now()
		err := send(t.Context())
		require.ErrorIs(t, err, fault.ErrUnavailable, name)
		require.Less(t, time.Since(began), 10*time.Second, name)
	}
	var n int64
	require.NoError(t, d.Read(t.Context()).Raw("SELECT 1").Find(&n).Error, "the pool recovers")
}

func TestStatement_OfAGoneRequestIsNotAnOutage(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, send := range statements(d, "SELECT 1") {
			err := send(ctx)
			require.ErrorIs(t, err, context.Canceled, name)
			require.NotErrorIs(t, err, fault.ErrUnavailable, name)
		}
	})
}

func TestStatement_AgainstAStoppedServerIsUnavailable(t *testing.T) {
	t.Parallel()
	dbtest.PostgresURL(t, false) // skips without PostgreSQL
	server, err := dbtest.Start()
	require.NoError(t, err)
	d := open(t, server.URL("postgres"), 5*time.Second)
	require.NoError(t, d.Ping(t.Context()))
	withThings(t, d)
	require.NoError(t, server.Stop())

	for name, send := range statements(d, "SELECT 1") {
		require.ErrorIs(t, send(t.Context()), fault.ErrUnavailable, name)
	}
	err = d.InTx(t.Context(), func(context.Context) error { return nil })
	require.ErrorIs(t, err, fault.ErrUnavailable)
	require.NotErrorIs(t, err, database.ErrCommitUnknown, "it never began")
	require.True(t, database.Unavailable(d.Ping(t.Context())))
}

func TestStatement_WhoseConnectionBreaksIsUnavailable(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, 10*time.Second)
	for name, send := range statements(d, "SELECT 1 FROM pg_sleep(0) WHERE ? = 'word'", "word") {
		p.cut("word", beforeForwarding, 9) // database/sql tries again a few times
		require.ErrorIs(t, send(t.Context()), fault.ErrUnavailable, name)
	}
}

func TestStatement_WhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, 10*time.Second)
	require.NoError(t, d.Write(t.Context()).Exec("CREATE TABLE notes (s text)").Error)
	send := func(s string) error { return d.Write(t.Context()).Exec("INSERT INTO notes VALUES (?)", s).Error }
	require.NoError(t, send("first"))
	p.cut("second", afterForwarding, 1)
	require.ErrorIs(t, send("second"), fault.ErrUnavailable)
	var n int64
	require.NoError(t, d.Read(t.Context()).Table("notes").Count(&n).Error)
	require.EqualValues(t, 2, n)
}

func TestCommit_WhoseConnectionBreaksIsUnknown(t *testing.T) {
	t.Parallel()
	for when, kept := range map[cutting][]int64{beforeForwarding: {}, afterForwarding: {1}} {
		t.Run(string(when), func(t *testing.T) {
			t.Parallel()
			p, d := throughProxy(t, 10*time.Second)
			withThings(t, d)
			p.cut("commit", when, 1)
			ran := false
			err := d.InTx(t.Context(), func(ctx context.Context) error {
				d.AfterCommit(ctx, func(context.Context) { ran = true })
				insert(t, ctx, d, 1)
				return nil
			})
			require.ErrorIs(t, err, database.ErrCommitUnknown)
			require.ErrorIs(t, err, fault.ErrUnavailable)
			require.False(t, ran)
			require.Equal(t, kept, things(t, d), "which is why nobody can know")
		})
	}
}

func TestCommit_OfAnEndedSessionIsUnknown(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	withThings(t, d)
	err := d.InTx(t.Context(), func(ctx context.Context) error {
		insert(t, ctx, d, 1)
		var pid int
		require.NoError(t, d.Write(ctx).Raw("SELECT pg_backend_pid()").Find(&pid).Error)
		return d.Write(t.Context()).Exec("SELECT pg_terminate_backend(?, 5000)", pid).Error
	})
	require.ErrorIs(t, err, database.ErrCommitUnknown)
	require.ErrorIs(t, err, fault.ErrUnavailable)
	require.Empty(t, things(t, d))
}

func TestCommit_ThatTheServerRefusesIsDefinite(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	withThings(t, d, 1)
	require.NoError(t, d.Write(t.Context()).Exec("ALTER TABLE things ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED").Error)
	err := d.InTx(t.Context(), func(ctx context.Context) error {
		return d.Write(ctx).Create(&thing{ID: 2, N: 1}).Error
	})
	require.Error(t, err)
	require.NotErrorIs(t, err, database.ErrCommitUnknown)
	require.Equal(t, []int64{1}, things(t, d))

	err = d.InTx(t.Context(), func(ctx context.Context) error {
		insert(t, ctx, d, 3)
		_ = d.Write(ctx).Exec("SELECT 1 / 0").Error // the function goes on as if nothing had happened
		return nil
	})
	require.ErrorIs(t, err, pgx.ErrTxCommitRollback)
	require.NotErrorIs(t, err, database.ErrCommitUnknown)
	require.Equal(t, []int64{1}, things(t, d))
}

func TestCommitError_SaysUnknownUnlessNothingCanBeThere(t *testing.T) {
	t.Parallel()
	server := func(severity, code string) error {
		return fmt.Errorf("x: %w", &pgconn.PgError{SeverityUnlocalized: severity, Code: code})
	}
	for name, test := range map[string]struct {
		err     error
		unknown bool
	}{
		"refused":                   {server("ERROR", "23505"), false},
		"serialization":             {server("ERROR", "40001"), false},
		"disk full":                 {server("ERROR", "53100"), false},
		"already rolled back":       {sql.ErrTxDone, false},
		"rolled back instead":       {pgx.ErrTxCommitRollback, false},
		"completion unknown":        {server("ERROR", "40003"), true},
		"resolution unknown":        {server("ERROR", "08007"), true},
		"session ended":             {server("FATAL", "57P01"), true},
		"server crashed":            {server("PANIC", "XX000"), true},
		"end of file":               {io.ErrUnexpectedEOF, true},
		"timeout while waiting":     {context.DeadlineExceeded, true},
		"request gone meanwhile":    {context.Canceled, true},
		"anything else, to be safe": {errors.New("?"), true},
	} {
		err := database.CommitError(test.err)
		require.ErrorIs(t, err, test.err, name)
		require.Equal(t, test.unknown, errors.Is(err, database.ErrCommitUnknown), name)
	}
}

func TestUnavailable_MeansTheServerNotTheStatement(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"57P01", "57P02", "57P03", "53300", "53100", "57014", "08006"} {
		require.True(t, database.Unavailable(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})), code)
	}
	for _, code := range []string{"23505", "42601", "22021", "40001", "40P01", ""} {
		require.False(t, database.Unavailable(&pgconn.PgError{Code: code}), code)
	}
	for _, err := range []error{nil, context.Canceled, errors.New("?"), sql.ErrNoRows, io.EOF} {
		require.False(t, database.Unavailable(err), err)
	}
}
