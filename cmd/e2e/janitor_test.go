//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestJanitor_RefusesAfterARestoredBackup(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), quick...)
	c := newClient(t, f.run("serve").base()).join("Ana", "Cali")
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2})
	kept := c.upload("antes de la copia", clip)
	janitor := func(code int, args ...string) *process {
		t.Helper()
		p := f.run(append([]string{"janitor"}, args...)...)
		require.Equal(t, code, p.wait(time.Minute), p.out.String())
		return p
	}
	files := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(f.dir, "uploads", "*.mp4"))
		require.NoError(t, err)
		return found
	}
	lost := c.upload("después de la copia", clip)
	require.Contains(t, janitor(0).out.String(), "removed: 0 files without rows")
	require.Len(t, files(), 2)

	// The backup did not have the second upload, nor its job.
	f.exec("DELETE FROM jobs WHERE video_id = ?", lost)
	f.exec("DELETE FROM videos WHERE id = ?", lost)
	for _, path := range files() {
		old := time.Now().Add(-time.Hour)
		require.NoError(t, os.Chtimes(path, old, old))
	}

	require.Contains(t, janitor(1).out.String(), "restored from an older backup")
	require.Contains(t, janitor(1, "--dry-run").out.String(), "anb janitor --force")
	require.Len(t, files(), 2, "the clip is still there")
	told := janitor(0, "--dry-run", "--force").out.String()
	require.Contains(t, told, "would remove: 1 files")
	require.Contains(t, told, lost)
	require.Len(t, files(), 2)
	require.Contains(t, janitor(0, "--force").out.String(), "removed: 1 files")
	require.Equal(t, []string{filepath.Join(f.dir, "uploads", kept+".mp4")}, files())
	janitor(0)
}
