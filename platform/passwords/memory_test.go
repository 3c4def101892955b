package passwords

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMemory_GoesBackOnceWhenNoHashHasRunForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // time passes only when all wait for it
		var freed atomic.Int64
		m := newMemory(time.Second, func() { freed.Add(1) })
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		pass(time.Hour)
		require.Zero(t, freed.Load(), "nothing was used")

		m.use()
		m.use()
		m.release()
		pass(time.Hour)
		require.Zero(t, freed.Load(), "one hash still runs")

		m.release()
		pass(900 * time.Millisecond)
		m.use()
		m.release()
		pass(900 * time.Millisecond)
		require.Zero(t, freed.Load(), "no rest yet")
		pass(200 * time.Millisecond)
		require.EqualValues(t, 1, freed.Load())
		pass(time.Hour)
		require.EqualValues(t, 1, freed.Load(), "once for each burst")
	})
}
