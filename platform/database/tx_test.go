package database_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"anb/db/dbtest"
	"anb/platform/database"
)

var errRule = errors.New("rule broken")

func TestInTx_RollsBackWhenTheFunctionFails(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d)
		ran := false
		err := d.InTx(t.Context(), func(ctx context.Context) error {
			d.AfterCommit(ctx, func(context.Context) { ran = true })
			insert(t, ctx, d, 1)
			return errRule
		})
		require.Equal(t, errRule, err, "the function's own error, as it is")
		require.Empty(t, things(t, d))
		require.False(t, ran, "nothing was committed")
	})
}

func TestInTx_RollsBackAPanicAndLetsItPass(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d)
		require.PanicsWithValue(t, "boom", func() {
			_ = d.InTx(t.Context(), func(ctx context.Context) error {
				insert(t, ctx, d, 1)
				panic("boom")
			})
		})
		require.Empty(t, things(t, d))
		insert(t, t.Context(), d, 2) // SQLite: its only writer is free again
		require.Equal(t, []int64{2}, things(t, d))
	})
}

func TestInTx_RollsBackWhenTheRequestHasGoneBeforeCommit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		err := d.InTx(ctx, func(ctx context.Context) error {
			insert(t, ctx, d, 1)
			cancel()
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, database.ErrCommitUnknown, "COMMIT was never sent")
		require.Empty(t, things(t, d))
	})
}

func TestInTx_CommitsAndOnlyThenRunsHooksInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d)
		var order []string
		hook := func(name string) func(context.Context) {
			return func(ctx context.Context) {
				order = append(order, fmt.Sprint(name, things(t, d)))
				d.AfterCommit(ctx, func(context.Context) { order = append(order, name+" at once") })
			}
		}
		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			d.AfterCommit(ctx, hook("outer"))
			insert(t, ctx, d, 1)
			require.NoError(t, d.InTx(ctx, func(ctx context.Context) error {
				d.AfterCommit(ctx, hook("inner"))
				insert(t, ctx, d, 2)
				return nil
			}))
			require.Empty(t, order, "an inner transaction commits nothing by itself")
			require.Empty(t, things(t, d), "nor can others see it")
			var n int64
			require.NoError(t, d.Read(ctx).Table("things").Count(&n).Error)
			require.EqualValues(t, 2, n, "Read takes part")
			return nil
		}))
		require.Equal(t, []string{"outer[1 2]", "outer at once", "inner[1 2]", "inner at once"}, order)
	})
}

func TestInTx_FailureInsideAnInnerOneUndoesTheOuter(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d)
		err := d.InTx(t.Context(), func(ctx context.Context) error {
			insert(t, ctx, d, 1)
			return d.InTx(ctx, func(ctx context.Context) error {
				insert(t, ctx, d, 2)
				return errRule
			})
		})
		require.ErrorIs(t, err, errRule)
		require.Empty(t, things(t, d))
	})
}

func TestAfterCommit_RunsAtOnceWithoutATransaction(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	ran := false
	d.AfterCommit(t.Context(), func(context.Context) { ran = true })
	require.True(t, ran)
}

// A SQLite transaction that reads first and then writes fails at once when
// another process writes, whatever the busy timeout, unless it begins immediate.
func TestInTx_ReadThenWriteSucceedsForEveryParallelWriter(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d, 1)
		processes := []*database.DB{d, d}
		if d.Dialect() == database.SQLite {
			var file string
			require.NoError(t, d.Read(t.Context()).Raw("SELECT file FROM pragma_database_list WHERE name = 'main'").Find(&file).Error)
			processes[1] = open(t, "sqlite:"+file, 20*time.Second)
		}
		const writers = 20
		errs := make([]error, writers)
		begin := make(chan struct{})
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				<-begin
				errs[i] = increment(t.Context(), processes[i%2])
			})
		}
		close(begin)
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, []int64{1 + writers}, things(t, d))
	})
}

// increment adds one to the thing 1, reading it first.
func increment(ctx context.Context, d *database.DB) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		q := d.Write(ctx).Table("things").Where("id = 1")
		if d.Dialect() == database.Postgres {
			q = q.Clauses(clause.Locking{Strength: "UPDATE"})
		}
		var n int64
		if err := q.Select("n").Take(&n).Error; err != nil {
			return err
		}
		return d.Write(ctx).Exec("UPDATE things SET n = ? WHERE id = 1", n+1).Error
	})
}

func TestWrite_TranslatesDuplicatesAndEnforcesForeignKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withThings(t, d, 1)
		require.ErrorIs(t, d.Write(t.Context()).Create(&thing{ID: 1}).Error, gorm.ErrDuplicatedKey)
		require.NoError(t, d.Write(t.Context()).Exec("CREATE TABLE parts (thing bigint REFERENCES things (id))").Error)
		require.ErrorIs(t, d.Write(t.Context()).Exec("INSERT INTO parts (thing) VALUES (7)").Error, gorm.ErrForeignKeyViolated)
		require.NoError(t, d.Write(t.Context()).Exec("INSERT INTO parts (thing) VALUES (1)").Error)
		require.ErrorIs(t, d.Write(t.Context()).Exec("DELETE FROM things").Error, gorm.ErrForeignKeyViolated)
	})
}

func TestRead_CannotWriteInSQLite(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	withThings(t, d)
	require.ErrorContains(t, d.Read(t.Context()).Exec("INSERT INTO things VALUES (1, 1)").Error, "readonly")
	require.Empty(t, things(t, d))
}
