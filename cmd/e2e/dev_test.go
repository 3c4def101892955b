//go:build e2e

package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDev_InterruptedCarriesOnAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := slices.Concat([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, quick, slow(t))
	first := start(t, binary(t), dir, env, "dev")
	c := newClient(t, first.base()).join("Ana", "Cali")
	clip := clipOf(t, 6)
	ids := []string{c.upload("uno", clip), c.upload("dos", clip)}
	c.midway(ids[0])

	first.signal(syscall.SIGINT)
	require.Zero(t, first.wait(5*time.Second))
	requireNoStrays(t, dir, time.Second)

	c.base = start(t, binary(t), dir, env, "dev").base()
	for _, id := range ids {
		c.processed(id, patience)
	}
}
