package auth

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

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
