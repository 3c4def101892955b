package database_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
	"anb/platform/fault"
)

// frozenTimeout is the query timeout of these tests.
const frozenTimeout = 3 * time.Second

// warm makes a connection, which takes its time on a busy machine.
func warm(t *testing.T, d *database.DB) {
	t.Helper()
	require.Eventually(t, func() bool { return d.InTx(t.Context(), nothing) == nil }, time.Minute, time.Millisecond)
}

// requireInTime runs f, which must end with an outage after one query timeout,
// and not after the four that a transaction gets.
func requireInTime(t *testing.T, f func() error) error {
	t.Helper()
	began := time.Now()
	err := f()
	require.ErrorIs(t, err, fault.ErrUnavailable)
	require.Less(t, time.Since(began), 2*frozenTimeout)
	return err
}

func nothing(context.Context) error { return nil }

func TestInTx_OfAFrozenDatabaseEndsWithinOneTimeout(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{"that never answers BEGIN": "begin", "that accepts connections and says nothing": "user"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := throughProxy(t, frozenTimeout)
			if word == "begin" {
				warm(t, d)
			}
			p.cut(word, never, 1)
			err := requireInTime(t, func() error { return d.InTx(t.Context(), nothing) })
			require.NotErrorIs(t, err, database.ErrCommitUnknown, "it never began")
			warm(t, d) // the pool recovers
		})
	}
}

func TestInTx_ThatWaitsForAConnectionEndsWithinOneTimeout(t *testing.T) {
	t.Parallel()
	_, d := throughProxy(t, frozenTimeout)
	const pool = 4 // see open
	var wg sync.WaitGroup
	begun, release := make(chan struct{}, pool), make(chan struct{})
	for range pool {
		wg.Go(func() {
			for held := false; !held; {
				_ = d.InTx(t.Context(), func(context.Context) error {
					held = true
					begun <- struct{}{}
					<-release
					return nil
				})
			}
		})
	}
	for range pool {
		<-begun
	}
	requireInTime(t, func() error { return d.InTx(t.Context(), nothing) })
	close(release)
	wg.Wait()
	warm(t, d)
}

func TestCommit_WithoutAnAnswerIsUnknownAfterOneTimeout(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, frozenTimeout)
	warm(t, d)
	withThings(t, d)
	p.cut("commit", never, 1)
	err := requireInTime(t, func() error {
		return d.InTx(t.Context(), func(ctx context.Context) error {
			insert(t, ctx, d, 1)
			return nil
		})
	})
	require.ErrorIs(t, err, database.ErrCommitUnknown)
}

func TestInTx_WhoseRollbackGetsNoAnswerEndsWithinOneTimeout(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, frozenTimeout)
	warm(t, d)
	p.cut("rollback", never, 1)
	began := time.Now()
	err := d.InTx(t.Context(), func(context.Context) error { return errRule })
	require.ErrorIs(t, err, errRule)
	require.Less(t, time.Since(began), 2*frozenTimeout)
}

func TestInTx_OfARequestThatHasGoneIsNoOutage(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, frozenTimeout)
	warm(t, d)
	p.cut("begin", never, 1)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	err := d.InTx(ctx, nothing)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, fault.ErrUnavailable)
}

// A pool opens connections for those who wait in the background, with no
// context of theirs: one that never answers must not keep the slot for ever.
func TestPool_RecoversFromConnectionsThatWereNeverAnswered(t *testing.T) {
	t.Parallel()
	p, d := throughProxy(t, time.Second)
	warm(t, d)
	p.freeze(true)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			start := time.NewTimer(time.Duration(i) * time.Second / 20) // some begin to wait later
			defer start.Stop()
			<-start.C
			_ = d.InTx(t.Context(), nothing)
		})
	}
	wg.Wait()
	p.freeze(false)
	warm(t, d)
}
