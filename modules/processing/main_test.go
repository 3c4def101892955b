package processing

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"anb/db/dbtest"
	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// shared is a folder for what is made once in a run of the tests: the cards.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "processing-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make folder for fixtures:", err)
		os.Exit(1)
	}
	shared = dir
	goleak.VerifyTestMain(withDatabases{m},
		// machinery's, which cannot be stopped; see platform/taskbus
		goleak.IgnoreTopFunction("github.com/robfig/cron/v3.(*Cron).run"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.Cleanup(func(code int) {
			if err := os.RemoveAll(dir); err != nil {
				fmt.Fprintln(os.Stderr, "remove fixtures:", err)
			}
			os.Exit(code)
		}))
}

// withDatabases stops the database server before goroutines are counted.
type withDatabases struct{ m *testing.M }

func (w withDatabases) Run() int { return dbtest.Main(w.m) }

// Sizes at which the tests encode.
const (
	testWidth  = 320
	testHeight = 180
	cardFrames = 15
	clipFrames = 60
)

// contractLimits returns the contract's: 100 MiB, 20 to 60 s, 1080p, MP4 and
// MOV.
func contractLimits() Limits {
	return Limits{
		MaxBytes: 100 << 20, MinDuration: 20 * time.Second, MaxDuration: 60 * time.Second, Tolerance: 500 * time.Millisecond,
		MinShortSide: 1080, MaxPixels: 4096 * 2304, Formats: []string{"mp4", "mov"},
	}
}

// contractEncoderConfig returns the contract's: 720p at 30 fps, 30 s, two cards
// of 2.5 s, with the settings that measured best.
func contractEncoderConfig() EncoderConfig {
	return EncoderConfig{
		Width: 1280, Height: 720, FPS: 30, ClipLength: 30 * time.Second, CardLength: 2500 * time.Millisecond,
		Codec: software, Preset: "veryfast", CRF: 23, Threads: 1, Timeout: 10 * time.Minute, MaxPixels: 4096 * 2304,
	}
}

func smallConfig() EncoderConfig {
	c := contractEncoderConfig()
	c.Width, c.Height, c.ClipLength, c.CardLength = testWidth, testHeight, 2*time.Second, 500*time.Millisecond
	c.Timeout = time.Minute
	return c
}

func smallLimits() Limits {
	l := contractLimits()
	l.MinDuration, l.MaxDuration, l.Tolerance, l.MinShortSide = time.Second, 5*time.Second, 100*time.Millisecond, 64
	return l
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func installedTools(t *testing.T) *ffmpeg.Tools {
	t.Helper()
	ffmpegtest.Require(t)
	tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	return tools
}

func smallInspector(t *testing.T) *Inspector {
	t.Helper()
	i, err := NewInspector(smallLimits(), installedTools(t))
	require.NoError(t, err)
	return i
}

// ready is the encoder that all tests share, once one of them has made it.
var ready struct {
	sync.Mutex
	encoder *Encoder
}

func smallEncoder(t *testing.T) *Encoder {
	t.Helper()
	tools := installedTools(t)
	ready.Lock()
	defer ready.Unlock()
	if ready.encoder == nil {
		e, err := NewEncoder(smallConfig(), tools, filepath.Join(shared, "cards"), discard())
		require.NoError(t, err)
		require.NoError(t, e.Prepare(t.Context()))
		ready.encoder = e
	}
	return ready.encoder
}

// withTools is smallEncoder with a script in place of ffmpeg.
func withTools(t *testing.T, script string, change func(*EncoderConfig)) *Encoder {
	t.Helper()
	art := smallEncoder(t).artwork()
	tools, err := ffmpeg.New(ffmpeg.Config{FFmpeg: ffmpegtest.Script(t, script), FFprobe: "ffprobe"}, discard())
	require.NoError(t, err)
	c := smallConfig()
	if change != nil {
		change(&c)
	}
	e, err := NewEncoder(c, tools, t.TempDir(), discard())
	require.NoError(t, err)
	e.ready = &art
	return e
}

// encoded inspects and encodes path, which must succeed.
func encoded(t *testing.T, path string, start time.Duration) Output {
	t.Helper()
	source, err := smallInspector(t).Inspect(t.Context(), path)
	require.NoError(t, err)
	out, err := smallEncoder(t).Encode(t.Context(), Job{Path: path, Source: source, Start: start, Dir: t.TempDir()}, nil)
	require.NoError(t, err)
	return out
}

func requireReason(t *testing.T, want Reason, err error) *Failure {
	t.Helper()
	var f *Failure
	require.ErrorAs(t, err, &f)
	require.Equal(t, want, f.Reason, "%v", err)
	return f
}
