package passwords

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cheap hashes in a millisecond; one test takes the real cost.
func cheap() Config {
	return Config{Cost: Cost{Memory: 64, Iterations: 1, Lanes: 1}, Parallel: 4, Wait: 30 * time.Second}
}

func TestHasher_RefusesStringsThatAreNoHash(t *testing.T) {
	t.Parallel()
	h := New(cheap())
	good, err := h.Hash(t.Context(), "secret")
	require.NoError(t, err)
	for _, s := range []string{
		"", "x", "$2a$10$abcdefghijklmnopqrstuv", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=64", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=99", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1),
		good[:len(good)-30], good + "$x", good + "=", good[:strings.LastIndex(good, "$")+1],
	} {
		ok, _, err := h.Verify(t.Context(), "secret", s)
		require.ErrorIs(t, err, ErrHash, s)
		require.False(t, ok)
	}
}

func TestHasher_MakesWhatItVerifiesAtTheRealCost(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.Cost = Standard()
	h := New(c)
	one, err := h.Hash(t.Context(), "contraseña")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$"), one)
	two, err := h.Hash(t.Context(), "contraseña")
	require.NoError(t, err)
	require.NotEqual(t, one, two, "salted")
	ok, stale, err := h.Verify(t.Context(), "contraseña", one)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, stale)
	ok, _, err = h.Verify(t.Context(), "contrasena", one)
	require.NoError(t, err)
	require.False(t, ok)
}

// The reference implementation's own test vector.
func TestHasher_ReadsOtherImplementationsHashes(t *testing.T) {
	t.Parallel()
	ok, stale, err := New(cheap()).Verify(t.Context(), "password",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, stale)
}

func TestHasher_NeverRunsMoreAtOnceThanAllowed(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.Parallel = 1
	h := New(c)
	var now, peak atomic.Int64
	derive := h.derive
	h.derive = func(c Cost, password string, salt []byte, size uint32) []byte {
		if n := now.Add(1); n > peak.Load() {
			peak.Store(n)
		}
		defer now.Add(-1)
		return derive(c, password, salt, size)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, err := h.Hash(t.Context(), "secret")
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, peak.Load())
}

func TestHasher_StopsWaitingWhenTheRequestEnds(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.Parallel, c.Wait = 1, time.Hour
	h := New(c)
	h.turns <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := h.Hash(ctx, "secret")
		ended <- err
	}()
	cancel()
	err := <-ended
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, err, context.Canceled)
}
