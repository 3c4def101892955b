package ffmpeg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// helperScript, when set, makes the test binary run the script it names with
// Run and nothing else: the parent whose death a test causes.
const helperScript = "ANB_TEST_FFMPEG_HELPER"

func TestMain(m *testing.M) {
	if script := os.Getenv(helperScript); script != "" {
		tools := &Tools{ffmpeg: script, log: slog.New(slog.DiscardHandler)}
		_, err := tools.Run(context.Background(), Command{})
		fmt.Println(err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// scripted returns tools whose programs are both the script.
func scripted(t *testing.T, script string) *Tools {
	t.Helper()
	tools, err := New(Config{FFmpeg: script, FFprobe: script}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return tools
}

// installed returns tools with the installed programs.
func installed(t *testing.T) *Tools {
	t.Helper()
	tools, err := New(Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return tools
}
