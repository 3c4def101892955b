package httpserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pieces is a client that sends n bytes after each pause, for ever.
type pieces struct {
	pause time.Duration
	n     int
}

// cutAfter is how long a client is waited for before it is cut, 0 when it has
// sent 100 MiB before that.
func (p pieces) cutAfter(c *credit) (waited time.Duration) {
	for sent := 0; sent < 100<<20; sent += p.n {
		if p.pause >= c.left {
			return waited + c.left
		}
		waited += p.pause
		c.read(p.pause, p.n)
	}
	return 0
}

func TestCredit_EndsSlowClientsAndNoOthers(t *testing.T) {
	t.Parallel()
	defaults := Pace{Read: 30 * time.Second, MinRate: 1024}
	tests := map[string]struct {
		pace   Pace
		client pieces
		cut    time.Duration // the latest; 0: never
	}{
		"a byte a second":               {defaults, pieces{time.Second, 1}, 31 * time.Second},
		"a byte in a while":             {defaults, pieces{29 * time.Second, 1}, 31 * time.Second},
		"silence":                       {defaults, pieces{time.Hour, 1}, 30 * time.Second},
		"just too slow":                 {defaults, pieces{time.Second, 1000}, time.Hour},
		"just quick enough":             {defaults, pieces{time.Second, 1024}, 0},
		"EDGE, in the worst place":      {defaults, pieces{10 * time.Second, 100 << 10}, 0},
		"200 KB/s":                      {defaults, pieces{7 * time.Millisecond, 1400}, 0},
		"an outage before each packet":  {defaults, pieces{29 * time.Second, 64 << 10}, 0},
		"a byte a second, without rate": {Pace{Read: 30 * time.Second}, pieces{time.Second, 1 << 10}, 0},
		"silence, without rate":         {Pace{Read: 30 * time.Second}, pieces{time.Hour, 1}, 30 * time.Second},
	}
	for name, tt := range tests {
		got := tt.client.cutAfter(newCredit(tt.pace))
		if tt.cut == 0 {
			require.Zero(t, got, name)
			continue
		}
		require.Positive(t, got, name)
		require.LessOrEqual(t, got, tt.cut, name)
	}
}

func TestCredit_AQuickBeginningIsNoExcuse(t *testing.T) {
	t.Parallel()
	c := newCredit(Pace{Read: 30 * time.Second, MinRate: 1024})
	c.read(time.Second, 50<<20)
	require.LessOrEqual(t, pieces{time.Second, 1}.cutAfter(c), 31*time.Second)
}
