package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/cache"
)

func TestGet_AStampedeLoadsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(time.Second, 10, time.Now)
		var loads atomic.Int64
		load := func(context.Context) (int64, error) {
			time.Sleep(10 * time.Millisecond) // the bubble's clock
			return loads.Add(1), nil
		}
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				v, err := cache.Get(t.Context(), c, "k", load)
				require.NoError(t, err)
				require.EqualValues(t, 1, v)
			})
		}
		wg.Wait()

		time.Sleep(time.Second)
		v, err := cache.Get(t.Context(), c, "k", load)
		require.NoError(t, err)
		require.EqualValues(t, 2, v, "an old value is loaded again")
	})
}

func TestGet_SeesWhatWasWrittenBeforeIt(t *testing.T) {
	t.Parallel()
	c := cache.New(time.Hour, 10, time.Now)
	var truth atomic.Int64
	reading, goOn := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = cache.Get(context.Background(), c, "k", func(context.Context) (int64, error) {
			v := truth.Load()
			close(reading)
			<-goOn
			return v, nil
		})
	}()
	<-reading
	truth.Store(1)
	c.Expire()

	v, err := cache.Get(t.Context(), c, "k", func(context.Context) (int64, error) { return truth.Load(), nil })
	close(goOn)

	require.NoError(t, err)
	require.EqualValues(t, 1, v, "a read that began before the write must not answer one that began after")
}

func TestGet_ForgetsErrorsAndDeadCallers(t *testing.T) {
	t.Parallel()
	c := cache.New(time.Hour, 1, time.Now)
	boom := errors.New("boom")
	_, err := cache.Get(t.Context(), c, "k", func(context.Context) (int, error) { return 0, boom })
	require.ErrorIs(t, err, boom)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	loaded := make(chan struct{})
	_, err = cache.Get(gone, c, "other", func(ctx context.Context) (int, error) {
		defer close(loaded)
		return 0, ctx.Err() // others may be waiting for the answer
	})
	<-loaded
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	v, err := cache.Get(t.Context(), c, "k", func(context.Context) (int, error) { return 7, nil })
	require.NoError(t, err)
	require.Equal(t, 7, v)
}
