package auth

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

func TestHasher_RefusesStringsThatAreNoHash(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap())
	good, err := h.hash(t.Context(), "secret")
	require.NoError(t, err)
	for _, s := range []string{
		"", "x", "$2a$10$abcdefghijklmnopqrstuv", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=64", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=99", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1),
		good[:len(good)-30], good + "$x", good + "=", good[:strings.LastIndex(good, "$")+1],
	} {
		ok, _, err := h.verify(t.Context(), "secret", s)
		require.ErrorIs(t, err, errHash, s)
		require.False(t, ok)
	}
}

func TestHasher_MakesWhatItVerifiesAtTheRealCost(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.HashMemory, c.HashIterations = 19456, 2
	h := newHasher(c)
	one, err := h.hash(t.Context(), "contraseña")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$"), one)
	two, err := h.hash(t.Context(), "contraseña")
	require.NoError(t, err)
	require.NotEqual(t, one, two, "salted")
	ok, stale, err := h.verify(t.Context(), "contraseña", one)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, stale)
	ok, _, err = h.verify(t.Context(), "contrasena", one)
	require.NoError(t, err)
	require.False(t, ok)
}

// The reference implementation's own test vector.
func TestHasher_ReadsOtherImplementationsHashes(t *testing.T) {
	t.Parallel()
	ok, stale, err := newHasher(cheap()).verify(t.Context(), "password",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, stale)
}

func TestHasher_NeverRunsMoreAtOnceThanAllowed(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.HashParallel = 1
	h := newHasher(c)
	var now, peak atomic.Int64
	derive := h.derive
	h.derive = func(password, salt []byte, c cost, size uint32) []byte {
		if n := now.Add(1); n > peak.Load() {
			peak.Store(n)
		}
		defer now.Add(-1)
		return derive(password, salt, c, size)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, err := h.hash(t.Context(), "secret")
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, peak.Load())
}

func TestLogin_AnswersBusyWhenItsTurnToHashDoesNotCome(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(c *Config) { c.HashParallel, c.HashWait = 1, time.Millisecond })
	b.hashes.turns <- struct{}{} // somebody hashes
	for path, body := range map[string]fields{
		"/api/auth/login":  {"email": "nobody@x.co", "password": "StrongPass123"},
		"/api/auth/signup": person("a@x.co", nil),
	} {
		a := b.send("POST", path, "", body)
		require.Equal(t, 503, a.status, a.text)
		require.Equal(t, "BUSY", a.code())
		require.NotEmpty(t, a.head.Get("Retry-After"))
	}
	for _, email := range []string{"a@", strings.Repeat("a", 300)} { // what is wrong needs no turn
		require.Equal(t, 400, b.send("POST", "/api/auth/signup", "", person(email, nil)).status)
	}
	<-b.hashes.turns
	b.join(t, "a@x.co")
}

func TestHasher_StopsWaitingWhenTheRequestEnds(t *testing.T) {
	t.Parallel()
	c := cheap()
	c.HashParallel, c.HashWait = 1, time.Hour
	h := newHasher(c)
	h.turns <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := h.hash(ctx, "secret")
		ended <- err
	}()
	cancel()
	err := <-ended
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, err, context.Canceled)
}

func TestConfig_NamesEveryProblem(t *testing.T) {
	t.Parallel()
	err := Config{JWTSecret: strings.Repeat("x", 31), TokenTTL: 1500 * time.Millisecond}.Validate()
	for _, s := range []string{"JWT_SECRET", "TOKEN_TTL", "ISSUER", "AUDIENCE", "HASH_MEMORY", "HASH_ITERATIONS", "HASH_PARALLEL", "HASH_WAIT"} {
		require.ErrorContains(t, err, "ANB_AUTH_"+s)
	}
	require.NotContains(t, err.Error(), "xxx", "never the secret")
	require.NoError(t, cheap().Validate())
}

func TestNew_RefusesAMissingDependency(t *testing.T) {
	t.Parallel()
	whole := Deps{DB: dbtest.SQLite(t), Directory: &fakeDirectory{}, Config: cheap(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	_, err := New(whole)
	require.NoError(t, err)
	for name, drop := range map[string]func(*Deps){
		"DB": func(d *Deps) { d.DB = nil }, "Directory": func(d *Deps) { d.Directory = nil }, "Now": func(d *Deps) { d.Now = nil },
		"Log": func(d *Deps) { d.Log = nil }, "secret": func(d *Deps) { d.Config.JWTSecret = "" },
	} {
		d := whole
		drop(&d)
		_, err := New(d)
		require.Error(t, err, name)
	}
}
