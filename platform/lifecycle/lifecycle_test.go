package lifecycle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("broken")

// until is a service that runs until it is stopped, and then returns err.
func until(err error, ended chan<- struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		close(ended)
		return err
	}
}

func TestRun_TheFirstFailureStopsTheRestAndIsNamed(t *testing.T) {
	t.Parallel()
	log, l := newLog()
	ended := make(chan struct{})
	err := Run(t.Context(), log,
		Service{"http", until(nil, ended)},
		Service{"sweeper", func(context.Context) error { return errBroken }})
	require.ErrorIs(t, err, errBroken)
	require.EqualError(t, err, "sweeper: broken")
	<-ended
	require.Equal(t, 1, l.count("service=sweeper"))
}

func TestRun_JoinsTheErrorsOfAll(t *testing.T) {
	t.Parallel()
	log, _ := newLog()
	other := errors.New("other")
	err := Run(t.Context(), log,
		Service{"a", func(context.Context) error { return errBroken }},
		Service{"b", until(other, make(chan struct{}))})
	require.ErrorIs(t, err, errBroken)
	require.ErrorIs(t, err, other)
}

func TestRun_ACleanStopIsNilAndWaitsForEveryService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, l := newLog()
		ctx, cancel := context.WithCancel(t.Context())
		drained := false
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		require.NoError(t, Run(ctx, log,
			Service{"quick", until(nil, make(chan struct{}))},
			Service{"slow", func(ctx context.Context) error {
				<-ctx.Done()
				<-time.After(20 * time.Second) // drains
				drained = true
				return nil
			}}))
		require.True(t, drained)
		require.Equal(t, 80*time.Second, time.Since(began))
		require.Zero(t, l.count("ERROR"))
	})
}

func TestRun_AServiceThatEndsEarlyStopsTheRest(t *testing.T) {
	t.Parallel()
	log, _ := newLog()
	require.NoError(t, Run(t.Context(), log,
		Service{"done", func(context.Context) error { return nil }},
		Service{"other", until(nil, make(chan struct{}))}))
}

func TestEvery_CallsAtOnceThenWithPausesAndGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, l := newLog()
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var calls []time.Duration
		run := Every(log, "sweeper", 10*time.Second, func(context.Context) error {
			calls = append(calls, time.Since(began))
			<-time.After(time.Second) // the work
			switch len(calls) {
			case 2, 3, 4, 7:
				return errBroken
			case 8:
				cancel()
			}
			return nil
		})
		require.NoError(t, run(ctx))
		require.Len(t, calls, 8)
		for i, at := range calls {
			require.Equal(t, time.Duration(i)*11*time.Second, at, "ten seconds after the end of the last")
		}
		require.Equal(t, 2, l.count("will try again"), "once for each row of failures")
		require.Equal(t, 1, l.count("succeeds again"))
	})
}

func TestEvery_StopsDuringAPauseAndDuringWorkWithoutAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, l := newLog()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		require.NoError(t, Every(log, "x", time.Hour, func(context.Context) error { return nil })(ctx))
		require.Equal(t, time.Minute, time.Since(began))

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, Every(log, "x", time.Hour, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})(ctx))
		require.Zero(t, l.count("will try again"), "being stopped is no failure")
	})
}

func TestGate_IsOpenUntilClosed(t *testing.T) {
	t.Parallel()
	var g Gate
	require.True(t, g.Open())
	g.Close()
	g.Close()
	require.False(t, g.Open())
}
