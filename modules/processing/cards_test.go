package processing

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

func TestPrepare_FailsWithoutAWorkingEncoder(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: "/bin/false", FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	e, err := NewEncoder(smallConfig(), tools, t.TempDir(), discard())
	require.NoError(t, err)
	require.Error(t, e.Prepare(t.Context()))
	_, err = e.Encode(t.Context(), Job{Dir: t.TempDir()}, nil)
	requireReason(t, ReasonEncoderFailed, err)

	tools, err = ffmpeg.New(ffmpeg.Config{FFmpeg: ffmpegtest.Script(t, "exit 0"), FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	e, err = NewEncoder(smallConfig(), tools, t.TempDir(), discard())
	require.NoError(t, err)
	require.Error(t, e.Prepare(t.Context()), "cards that were not made")
}

func TestPrepare_RendersOnceAndRepairs(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	prepared := func() artwork {
		e, err := NewEncoder(smallConfig(), installedTools(t), cache, discard())
		require.NoError(t, err)
		require.NoError(t, e.Prepare(t.Context()))
		require.NoError(t, e.Prepare(t.Context()))
		return e.artwork()
	}
	made := func(a artwork) os.FileInfo {
		stat, err := os.Stat(a.opening)
		require.NoError(t, err)
		return stat
	}
	first := prepared()
	require.NotEmpty(t, first.extradata)
	before := made(first)
	require.Equal(t, first, prepared())
	require.True(t, os.SameFile(before, made(first)), "the next start finds the cards")

	require.NoError(t, os.Truncate(first.opening, 100))
	require.Equal(t, first, prepared())
	require.False(t, os.SameFile(before, made(first)), "a broken card is rendered again")

	e, err := NewEncoder(smallConfig(), installedTools(t), cache, discard())
	require.NoError(t, err)
	before = made(first)
	require.NoError(t, e.renderArtwork(t.Context(), *first.look, filepath.Dir(first.opening)))
	require.True(t, os.SameFile(before, made(first)), "another process's good cards stay, since its jobs read them")

	require.NoError(t, os.RemoveAll(filepath.Dir(first.opening)))
	require.Equal(t, first, prepared())
	entries, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing half made is left")
}

func TestArtworkKey_FollowsTheSettings(t *testing.T) {
	t.Parallel()
	key := func(change func(*EncoderConfig)) string {
		c := smallConfig()
		change(&c)
		e, err := NewEncoder(c, installedTools(t), t.TempDir(), discard())
		require.NoError(t, err)
		l, err := c.drawLook()
		require.NoError(t, err)
		k, err := e.artworkKey(t.Context(), l)
		require.NoError(t, err)
		return k
	}
	same := key(func(*EncoderConfig) {})
	require.Equal(t, same, key(func(c *EncoderConfig) { c.ClipLength *= 2 }), "the clip's length is not the cards'")
	require.NotEqual(t, same, key(func(c *EncoderConfig) { c.CRF++ }))
	require.NotEqual(t, same, key(func(c *EncoderConfig) { c.Width += 2 }))
}
