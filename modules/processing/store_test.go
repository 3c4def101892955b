package processing

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestStore_ClaimGivesEachJobToOneWorker(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		const jobs, workers = 60, 16
		for range jobs {
			b.enqueue(t)
		}
		var mu sync.Mutex
		seen := map[uuid.UUID]int{}
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					c, ok, err := b.claim(t.Context(), uuid.Nil)
					if !ok || err != nil {
						require.NoError(t, err)
						return
					}
					mu.Lock()
					seen[c.ID]++
					mu.Unlock()
					require.EqualValues(t, 1, c.Fence)
					require.Equal(t, 1, c.Attempt)
				}
			})
		}
		wg.Wait()
		require.Len(t, seen, jobs)
		for id, n := range seen {
			require.Equal(t, 1, n, id)
		}
	})
}

func TestStore_ClaimTakesTheHintAndElseTheNextDue(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		first, _ := b.enqueue(t)
		second, _ := b.enqueue(t)
		third, _ := b.enqueue(t)

		c, ok, err := b.claim(t.Context(), second)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, second, c.ID)

		c, ok, err = b.claim(t.Context(), second)
		require.NoError(t, err)
		require.True(t, ok, "a stale hint still brings work")
		require.Equal(t, first, c.ID)

		b.set(t, third, "run_after = "+map[database.Dialect]string{database.Postgres: "now() + interval '1 hour'", database.SQLite: "9000000000000000"}[d.Dialect()])
		_, ok, err = b.claim(t.Context(), third)
		require.NoError(t, err)
		require.False(t, ok, "what is not due is not claimed, hint or not")
	})
}
