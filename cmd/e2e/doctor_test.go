//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
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

	// A vote, and a step of each counter.
	f.exec("DELETE FROM votes")
	said := doctor(1)
	require.Contains(t, said, "counter of video "+id+": says 1, there are 0 votes")
	require.Contains(t, said, "counter of player ")
	require.Contains(t, doctor(0, "--repair"), "all is well")
	doctor(0)
	f.exec("UPDATE videos SET vote_count = vote_count + 1 WHERE id = ?", id)
	require.Contains(t, doctor(1), "counter of video "+id+": says 1, there are 0 votes")
	f.exec("UPDATE videos SET vote_count = vote_count - 1 WHERE id = ?", id)
	f.exec("UPDATE player_totals SET votes = votes + 1")
	require.Contains(t, doctor(1), "says 1, there are 0 votes")
	doctor(0, "--repair")

	// A job, and then a video.
	worker.kill()
	waits := ana.upload("Bandeja", ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	doctor(0)
	f.exec("DELETE FROM jobs WHERE video_id = ?", waits)
	require.Contains(t, doctor(1), "of video "+waits+": video waits, but nobody will process it")
	require.Contains(t, doctor(0, "--repair"), waits)
	worker = f.worker()
	ana.processed(waits, patience)
	worker.kill()
	f.exec("DELETE FROM jobs WHERE video_id = ?", waits)
	f.exec("DELETE FROM videos WHERE id = ?", waits)
	f.env = append(f.env, "ANB_PROCESSING_GRACE=1ms")
	said = doctor(1)
	for _, place := range []string{waits + ".mp4", waits + "-"} {
		require.Contains(t, said, "file "+place)
	}
	require.Contains(t, doctor(1, "--repair"), "file "+waits, "files are not the doctor's to remove")
	require.Zero(t, f.run("janitor", "--force").wait(time.Minute))
	doctor(0)

	// A process.
	dead := filepath.Join(f.dir, "work", "dead-worker")
	require.NoError(t, os.MkdirAll(dead, 0o750))
	stray := start(t, "/bin/sleep", dead, nil, "600")
	require.Contains(t, doctor(1), "process "+strconv.Itoa(stray.cmd.Process.Pid)+" (sleep): works in "+dead)
	stray.kill()
	doctor(0)
}
