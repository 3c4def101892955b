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

func TestDoctor_FindsWhatWasTakenAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, binary(t), quick...)
	c := newClient(t, f.run("serve").base())
	ana, luis := c.join("Ana", "Cali"), c.join("Luis", "Bogotá")
	worker := f.worker()
	id := ana.upload("Triple", ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	ana.processed(id, patience)
	luis.object(200, "POST", "/api/public/videos/"+id+"/vote", nil)
	doctor := func(code int, args ...string) string {
		t.Helper()
		p := f.run(append([]string{"doctor"}, args...)...)
		require.Equal(t, code, p.wait(time.Minute), p.out.String())
		return p.out.String()
	}
	require.Contains(t, doctor(0), "all is well with 1 videos")

	for kind, pattern := range map[string]string{"original": "uploads/" + id + "*", "published": "processed_videos/" + id + "*.mp4", "poster": "processed_videos/" + id + "*.jpg"} {
		found, err := filepath.Glob(filepath.Join(f.dir, pattern))
		require.NoError(t, err)
		require.Len(t, found, 1)
		whole, err := os.ReadFile(found[0])
		require.NoError(t, err)
		changed := append([]byte{}, whole...)
		changed[len(changed)/2] ^= 1
		require.NoError(t, os.WriteFile(found[0], changed, 0o600))
		said := doctor(1)
		require.Contains(t, said, kind+" of video "+id)
		require.Contains(t, said, "1 findings in 1 videos")
		doctor(0, "--quick")
		require.NoError(t, os.Remove(found[0]))
		require.Contains(t, doctor(1, "--quick"), "is missing")
		require.NoError(t, os.WriteFile(found[0], whole, 0o600))
	}
	require.Contains(t, doctor(0), "all is well")

	f.exec("DELETE FROM votes")
	require.Contains(t, doctor(1), "counter of video "+id+": says 1, there are 0 votes")
	worker.kill()
}
