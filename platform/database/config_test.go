package database_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

func TestConfig_ValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	good := database.Config{URL: "postgres://localhost/anb", MaxOpen: 8, QueryTimeout: time.Second}
	require.NoError(t, good.Validate())
	require.NoError(t, database.Config{URL: "sqlite:anb.db", MaxOpen: 1, QueryTimeout: 1}.Validate())
	tests := map[string]struct {
		config database.Config
		want   []string
	}{
		"nothing set": {database.Config{}, []string{"DATABASE_URL", "ANB_DATABASE_MAX_OPEN", "ANB_DATABASE_QUERY_TIMEOUT"}},
		"another database": {database.Config{URL: "mysql://root:s3cret@h/db", MaxOpen: 1, QueryTimeout: 1},
			[]string{"postgres://", "sqlite:"}},
		"negative": {database.Config{URL: "postgres://h/db", MaxOpen: -1, QueryTimeout: -1},
			[]string{"ANB_DATABASE_MAX_OPEN", "ANB_DATABASE_QUERY_TIMEOUT"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.config.Validate()
			for _, s := range test.want {
				require.ErrorContains(t, err, s)
			}
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestOpen_NeverTellsThePassword(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"unknown option":     "postgres://anb:s3cret@127.0.0.1:1/anb?sslmode=maybe",
		"port of no number":  "postgres://anb:s3cret@127.0.0.1:port/anb",
		"percent sign alone": "postgres://anb:s3cret%@127.0.0.1:1/anb",
		"space in host":      "postgres://anb:s3cret@ho st/anb",
		"refused":            "postgres://anb:s3cret@127.0.0.1:1/anb?connect_timeout=2",
		"no such socket":     "postgres://anb:s3cret@/anb?host=/nonexistent",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := database.Open(database.Config{URL: url, MaxOpen: 1, QueryTimeout: 2 * time.Second}, slog.New(slog.DiscardHandler))
			if err == nil {
				defer func() { require.NoError(t, d.Close()) }()
				err = d.Ping(t.Context())
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}
