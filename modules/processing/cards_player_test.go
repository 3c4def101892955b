package processing

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestPlayerCard_FallsBackToTheCommonOne(t *testing.T) {
	t.Parallel()
	art := smallEncoder(t).artwork()
	on := func(c *EncoderConfig) { c.PlayerCard = true }
	tests := map[string]struct {
		script string
		change func(*EncoderConfig)
		player string
	}{
		"switched off":                      {"exit 1", nil, "Ana Díaz"},
		"without a name":                    {"exit 1", on, " "},
		"with a name that cannot be drawn":  {"exit 1", on, "李小龍"},
		"when ffmpeg fails":                 {`echo "$@" > arguments; exit 1`, on, "Ana Díaz"},
		"when ffmpeg makes nothing":         {"exit 0", on, "Ana Díaz"},
		"when ffmpeg makes something wrong": {`for last; do :; done; echo wrong > "$last"`, on, "Ana Díaz"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, err := withTools(t, tt.script, tt.change).openingFor(t.Context(), Job{Dir: dir, Player: tt.player, City: "Cali"}, art)
			require.NoError(t, err)
			require.Equal(t, art.opening, path)
			arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
			if name != "when ffmpeg fails" {
				require.ErrorIs(t, err, os.ErrNotExist)
			} else {
				require.NoError(t, err)
				require.Contains(t, string(arguments), playerOpening)
				require.NotContains(t, string(arguments), "Ana", "the name is only in pixels")
				require.NoError(t, os.Remove(filepath.Join(dir, "arguments")))
			}
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := withTools(t, "exit 1", on).openingFor(ctx, Job{Dir: t.TempDir(), Player: "Ana Díaz"}, art)
	require.ErrorIs(t, err, context.Canceled)
}

func TestPlayerCard_IsJoinedByCopying(t *testing.T) {
	t.Parallel()
	common := smallEncoder(t)
	c := common.config
	c.PlayerCard = true
	e, err := NewEncoder(c, installedTools(t), common.cache, discard())
	require.NoError(t, err)
	path := ffmpegtest.Clip(t, ffmpegtest.Spec{Source: counter(30), NoAudio: true})
	source, err := smallInspector(t).Inspect(t.Context(), path)
	require.NoError(t, err)
	out, err := e.Encode(t.Context(), Job{Path: path, Source: source, Dir: t.TempDir(), Player: "Ana Díaz", City: "李"}, nil)
	require.NoError(t, err)
	require.False(t, out.SinglePass)
	require.Equal(t, common.artwork().opening, e.artwork().opening, "the cards that all share are the same")
	all := pictures(t, out)
	require.Len(t, all, 30+2*cardFrames)
	usual := ffmpegtest.Frames(t, e.artwork().opening, testWidth, testHeight)
	require.Greater(t, meanDifference(all[cardFrames/2], usual[cardFrames/2]), 5.0)
	ribbon := all[cardFrames/2].at(testWidth*46/100, testHeight*62/100+4)
	require.True(t, ribbon.near(pixel{0xFB, 0x9A, 0x3C}) || ribbon.near(pixel{0x0B, 0x1B, 0x3B}), "ribbon, not %v", ribbon)
}
