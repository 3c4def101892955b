package storagetest_test

import (
	"debug/buildinfo"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"anb/platform/storage/storagetest"
)

// The task test:programs runs this too, so that other tests need not wait.
func TestInstall_BuildsTheServerOnce(t *testing.T) {
	t.Parallel()
	program, err := storagetest.Install(t.Context())
	if err != nil && os.Getenv("ANB_TEST_REQUIRE") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	require.Equal(t, "github.com/versity/versitygw/cmd/versitygw", info.Path)
	require.NotEmpty(t, info.Main.Sum, "from a module proxy, checked")
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			again, err := storagetest.Install(t.Context())
			if err == nil && again != program {
				t.Errorf("%s is not %s", again, program)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
}
