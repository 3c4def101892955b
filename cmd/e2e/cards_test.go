//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// The cards in the cache are replaced by such as another build of ffmpeg would
// have made: they cannot be joined by copying. The video comes out all the same
// and plays without a break.
func TestCards_OfAnotherFFmpegAreNotCopied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := append([]string{"ANB_HTTP_ADDR=127.0.0.1:0"}, quick...)
	first := start(t, binary(t), dir, env, "dev")
	first.base()
	first.said(`msg=working`)
	first.signal(syscall.SIGINT)
	require.Zero(t, first.wait(5*time.Second))

	cards, err := filepath.Glob(filepath.Join(dir, "data", "cache", "*", "*ing.mp4"))
	require.NoError(t, err)
	require.Len(t, cards, 2)
	for _, card := range cards {
		other := filepath.Join(t.TempDir(), "card.mp4")
		ffmpegtest.FFmpeg(t, "-i", card, "-c:v", "libx264", "-preset", "medium", "-profile:v", "high", "-level:v", "4.2", "-bf", "4",
			"-video_track_timescale", "30000", "-movie_timescale", "30000", other)
		data, err := os.ReadFile(other)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(card, data, 0o600))
	}

	second := start(t, binary(t), dir, env, "dev")
	c := newClient(t, second.base())
	ana := c.join("Ana", "Cali")
	clip := ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 3})
	v := ana.processed(ana.upload("Con otras tarjetas", clip), patience)
	second.said("encoding in a single pass")
	complaints, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", c.save(v["processed_url"].(string)), "-f", "null", "-").CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(complaints))
	ctx := browser(t, c.base)
	visit(t, ctx, c.base+v["processed_url"].(string))
	require.Equal(t, "320 180 3", become(t, ctx, play))
	ana.processed(ana.upload("Con tarjetas nuevas", clip), patience)
}
