//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tour of the README, pasted into bash as a reader would.
func TestTour_OfTheREADMEWorksWhenPasted(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "\n```bash tour\n")
	require.True(t, ok, "the README has no block marked as the tour")
	tour, _, ok := strings.Cut(rest, "\n```\n")
	require.True(t, ok, "the tour has no end")

	settings := append(slices.Clone(quick), "ANB_UPLOAD_REPEAT_WINDOW=10m") // as it is without settings
	t.Run("on anb dev", func(t *testing.T) {
		t.Parallel()
		env := append([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, settings...)
		out, err := paste(t, tour, start(t, binary(t), t.TempDir(), env, "dev").base())
		require.NoError(t, err, out)
		require.Contains(t, out, "\nEverything was as described.\n")
	})
	t.Run("on separate roles", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, binary(t), settings...)
		api := f.run("serve")
		f.worker()
		out, err := paste(t, tour, api.base())
		require.NoError(t, err, out)
		require.Contains(t, out, "\nEverything was as described.\n")
	})
	t.Run("fails when the server is not as described", func(t *testing.T) {
		t.Parallel()
		env := append([]string{"ANB_HTTP_ADDR=127.0.0.1:0", "ANB_VOTING_CLOSES_AT=2001-01-01T00:00:00Z"}, quick...)
		out, err := paste(t, tour, start(t, binary(t), t.TempDir(), env, "dev").base())
		require.Error(t, err, out)
		require.Contains(t, out, "Not as described: ")
		require.NotContains(t, out, "Everything was as described.")
	})
}

// paste gives the tour to a bash that knows nothing but the server and that the
// clip is to be small. Both of its outputs come back.
func paste(t *testing.T, tour, base string) (string, error) {
	t.Helper()
	for _, program := range []string{"bash", "curl", "jq", "ffmpeg"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("ANB_TEST_REQUIRE") == "1" {
				t.Fatalf("the tour needs %s: %v", program, err)
			}
			t.Skipf("the tour needs %s: %v", program, err)
		}
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "--norc")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "BASE=" + base, "CLIP_SECONDS=2", "CLIP_SIZE=320x180"}
	cmd.Stdin = strings.NewReader(tour + "\n")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	left, e := os.ReadDir(dir)
	require.NoError(t, e)
	require.Empty(t, left, "the tour leaves nothing behind")
	return string(out), err
}
