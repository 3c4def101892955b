package redistest_test

import (
	"net/url"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"anb/platform/taskbus"
	"anb/platform/taskbus/redistest"
)

func TestServer_needsItsPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	u, err := url.Parse(s.URL())
	require.NoError(t, err)
	u.User = url.UserPassword("", "another")
	c := open(t, u.String())
	require.Error(t, c.Ping(t.Context()).Err())
	require.NoError(t, open(t, s.URL()).Ping(t.Context()).Err())
}

func TestServer_remembersOverARestartOnlyWithAOF(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options []redistest.Option
		end     func(*redistest.Server)
		want    string
	}{
		"stopped":         {end: (*redistest.Server).Stop, want: "v"},
		"killed":          {end: (*redistest.Server).Kill, want: "v"},
		"without the AOF": {options: []redistest.Option{redistest.WithoutAOF()}, end: (*redistest.Server).Stop},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, test.options...)
			address := s.URL()
			c := open(t, address)
			require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err())
			test.end(s)
			require.Error(t, c.Ping(t.Context()).Err())
			s.Restart()
			require.Equal(t, address, s.URL())
			got, err := c.Get(t.Context(), "k").Result()
			if test.want == "" {
				require.ErrorIs(t, err, redis.Nil)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func open(t *testing.T, address string) redis.UniversalClient {
	t.Helper()
	c, err := taskbus.OpenRedis(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
