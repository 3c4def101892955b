package processing

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestSweep_ReturnsTheJobsOfSilentWorkers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		task, video := b.enqueue(t)
		alive, _ := b.enqueue(t)
		_, _, err := b.claim(t.Context(), alive)
		require.NoError(t, err)
		for n := 1; n <= 3; n++ {
			_, ok, err := b.claim(t.Context(), task)
			require.NoError(t, err)
			require.True(t, ok)
			b.expire(t, task)
			var wg sync.WaitGroup
			for range 5 { // all workers sweep at once
				wg.Go(func() { require.NoError(t, b.Sweep(t.Context())) })
			}
			wg.Wait()
			if n < 3 {
				require.Equal(t, jobState{State: Retrying, Attempt: n, Fence: int64(n)}, b.job(t, task))
				b.makeDue(t, task)
			}
		}
		require.Equal(t, jobState{State: Dead, Attempt: 3, Fence: 3, Reason: "poison"}, b.job(t, task))
		require.Equal(t, "POISON", b.videos.of(video))
		require.Equal(t, []string{"lost", "lost", "lost"}, b.outcomes(t, task))
		require.Equal(t, Running, b.job(t, alive).State, "a living worker keeps its job")
	})
}

func TestSweep_KeepsAFewWakeUpsWhileJobsAreDue(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		b.bus.down = errors.New("redis is away")
		for range 50 {
			b.enqueue(t) // which is no error
		}
		require.Error(t, b.Sweep(t.Context()))
		b.bus.down, b.bus.sent = nil, nil

		for range 10 {
			require.NoError(t, b.Sweep(t.Context()))
		}
		require.Len(t, b.bus.sent, 2*b.Slots, "not one a row, and not more each time")

		b.bus.sent = nil
		require.NoError(t, b.DB.Write(t.Context()).Exec("DELETE FROM jobs").Error)
		require.NoError(t, b.Sweep(t.Context()))
		require.Empty(t, b.bus.sent, "nothing is due, nobody is woken")
	})
}

func TestBackoff_GrowsSpreadsAndIsCapped(t *testing.T) {
	t.Parallel()
	c := Config{RetryBase: 10 * time.Second, RetryCap: time.Minute}
	require.Equal(t, 10*time.Second, c.backoff(1, 0.5))
	require.Equal(t, 40*time.Second, c.backoff(3, 0.5))
	require.Equal(t, time.Minute, c.backoff(4, 0.5))
	require.Equal(t, time.Minute, c.backoff(1000, 0.5))
	require.Equal(t, 5*time.Second, c.backoff(1, 0))
	require.Less(t, c.backoff(1, 0.999), 15*time.Second+1)
}

func TestScratch_OnlyTheFoldersOfDeadWorkersAreSwept(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	alive, err := newScratch(root, "alive")
	require.NoError(t, err)
	dead, err := newScratch(root, "dead")
	require.NoError(t, err)
	path, _, err := dead.dir(claim{ID: uuid.New(), Fence: 1})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "half"), nil, 0o600))
	require.NoError(t, dead.lock.Close(), "as its process's end would")
	mine, err := newScratch(root, "mine")
	require.NoError(t, err)

	n, err := mine.sweep()

	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoDirExists(t, dead.own)
	require.DirExists(t, alive.own)
	require.NoError(t, alive.close())
	require.NoError(t, mine.close())
	require.NoDirExists(t, mine.own)
}
