package ffmpeg

import (
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestRun_TellsWhichLimitEndedAProgram(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		want   syscall.Signal
	}{
		"CPU time": {"while :; do :; done", syscall.SIGXCPU},
		"CPU time, caught by ffmpeg": {
			"exec ffmpeg -v error -f lavfi -i testsrc2=s=1280x720 -f null -", syscall.SIGXCPU,
		},
		"the size of a file": {"sleep 0.2; exec head -c 2000000 /dev/zero >big", syscall.SIGXFSZ},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ffmpegtest.Require(t)
			tools := scripted(t, ffmpegtest.Script(t, tt.script))
			tools.limits.cpu, tools.limits.fileBytes = time.Second, 1<<20
			_, err := tools.Run(t.Context(), Command{Dir: t.TempDir()})
			exit, ok := errors.AsType[*ExitError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, tt.want, exit.Signal, "%v", err)
			require.False(t, exit.OutOfMemory)
		})
	}
}

func TestLimits_AreTighterForALook(t *testing.T) {
	t.Parallel()
	whole := Config{}.limits()
	require.Equal(t, limits{cpu: DefaultMaxCPU, memory: DefaultMaxMemory, fileBytes: maxFileBytes, openFiles: maxOpenFiles}, whole)
	require.Equal(t, limits{cpu: ProbeTimeout, memory: DefaultMaxMemory, openFiles: probeOpenFiles}, whole.probing())
	little := Config{MaxMemory: minMemory, MaxCPU: time.Second}.limits()
	require.Equal(t, limits{cpu: time.Second, memory: minMemory, openFiles: probeOpenFiles}, little.probing())
}

func TestConfig_RefusesLimitsThatCannotWork(t *testing.T) {
	t.Parallel()
	for variable, c := range map[string]Config{
		"ANB_FFMPEG_MAX_MEMORY": {FFmpeg: "ffmpeg", FFprobe: "ffprobe", MaxMemory: 1024},
		"ANB_FFMPEG_MAX_CPU":    {FFmpeg: "ffmpeg", FFprobe: "ffprobe", MaxCPU: -time.Second},
	} {
		_, err := New(c, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, variable)
	}
}
