package ffmpeg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// helperScript, when set, makes the test binary run the script it names with
// Run, in the folder it is in, and nothing else: the parent whose death a test
// causes.
const helperScript = "ANB_TEST_FFMPEG_HELPER"

func TestMain(m *testing.M) {
	if script := os.Getenv(helperScript); script != "" {
		tools, err := New(Config{FFmpeg: script, FFprobe: script}, slog.New(slog.DiscardHandler))
		if err == nil {
			_, err = tools.Run(context.Background(), Command{Dir: "."})
		}
		fmt.Println(err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if c, _ := findCgroup("/"); c != nil {
			if left := existing(filepath.Join(c.folder, c.prefix+"*")); len(left) > 0 {
				fmt.Println("left behind:", left)
				code = 1
			}
		}
		os.Exit(code)
	}))
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
