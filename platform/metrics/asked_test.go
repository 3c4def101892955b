package metrics_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/metrics"
)

func TestFree_IsReadAtEachScrapeAndAbsentWhereItIsNotKnown(t *testing.T) {
	t.Parallel()
	r := metrics.New("dev")
	room := uint64(7)
	r.Free("known", func(context.Context) (uint64, bool, error) { return room, true, nil })
	r.Free("endless", func(context.Context) (uint64, bool, error) { return 0, false, nil })
	r.Free("broken", func(context.Context) (uint64, bool, error) { return 9, true, errors.New("stale") })
	text := scrape(t, r)
	require.Contains(t, text, `anb_storage_free_bytes{place="known"} 7`)
	require.NotContains(t, text, "endless")
	require.NotContains(t, text, "broken")
	room = 5
	require.Contains(t, scrape(t, r), `anb_storage_free_bytes{place="known"} 5`)
	r.Free("known", func(context.Context) (uint64, bool, error) { return 1, true, nil })
	require.Contains(t, scrape(t, r), `anb_storage_free_bytes{place="known"} 1`, "named again, as by two roles of one process")
}

func TestFree_OfAPlaceThatHangsIsAskedOnceAndHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := metrics.New("dev")
		asked, hang := 0, make(chan struct{})
		r.Free("hung", func(context.Context) (uint64, bool, error) {
			asked++
			<-hang
			return 1, true, nil
		})
		for range 3 {
			began := time.Now()
			text := scrape(t, r)
			require.NotContains(t, text, "hung")
			require.Contains(t, text, "anb_build_info", "the others are told")
			require.Equal(t, 2*time.Second, time.Since(began))
		}
		synctest.Wait()
		require.Equal(t, 1, asked)
		close(hang)
		synctest.Wait()
		require.Contains(t, scrape(t, r), `anb_storage_free_bytes{place="hung"} 1`)
	})
}

func TestDependency_IsUpOnlyWhileItAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := metrics.New("dev")
		down, hang := error(nil), make(chan struct{})
		r.Dependency("redis", func(context.Context) error { return down })
		r.Dependency("database", func(context.Context) error {
			<-hang
			return nil
		})
		require.Contains(t, scrape(t, r), `anb_dependency_up{dependency="redis"} 1`)
		down = errors.New("refused")
		text := scrape(t, r)
		require.Contains(t, text, `anb_dependency_up{dependency="redis"} 0`)
		require.Contains(t, text, `anb_dependency_up{dependency="database"} 0`)
		close(hang)
		synctest.Wait()
		require.Contains(t, scrape(t, r), `anb_dependency_up{dependency="database"} 1`)
	})
}

func TestDependency_ThatIsSlowIsUpForAllWhoScrape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := metrics.New("dev")
		asked := 0
		r.Dependency("redis", func(ctx context.Context) error {
			asked++
			select {
			case <-time.After(1500 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		second := make(chan string, 1)
		go func() { second <- scrape(t, r) }()
		require.Contains(t, scrape(t, r), `anb_dependency_up{dependency="redis"} 1`)
		require.Contains(t, <-second, `anb_dependency_up{dependency="redis"} 1`)
		require.Equal(t, 1, asked)
	})
}
