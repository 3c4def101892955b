package processing

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/ffmpeg/ffmpegtest"
)

// peak is the most memory that a job held at once, in bytes.
type peak struct {
	Input  string `json:"input"`
	FFmpeg int64  `json:"ffmpeg"` // the biggest of its children
	Own    int64  `json:"own"`    // the process that started them
}

const benchJob = "ANB_BENCH_VIDEO_JOB" // clip, folder and answer of a BenchmarkVideoJob

// memory runs each job in a process of its own: the kernel remembers only the
// biggest child that a process ever had.
func (l *lab) memory() []peak {
	l.say("measuring memory")
	hdr := l.path("hdr.mp4")
	ffmpegtest.FFmpeg(l.b, "-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=30:duration="+fmt.Sprint(l.size.odd), "-pix_fmt", "yuv420p10le",
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error",
		"-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc", "-tag:v", "hvc1", hdr)
	return []peak{
		l.peakOf("1080p, H.264", l.clip),
		l.peakOf("4K, 10-bit HEVC, HDR", hdr),
	}
}

func (l *lab) peakOf(name, clip string) peak {
	answer := l.path("peak.json")
	program, err := os.Executable()
	require.NoError(l.b, err)
	cmd := exec.CommandContext(l.b.Context(), program, "-test.run", "^$", "-test.bench", "^BenchmarkVideoJob$", "-test.benchtime", "1x")
	cmd.Env = append(os.Environ(), benchJob+"="+strings.Join([]string{clip, l.dir, answer}, "\n"))
	out, err := cmd.CombinedOutput()
	require.NoError(l.b, err, "%s", out)
	data, err := os.ReadFile(answer)
	require.NoError(l.b, err, "%s", out)
	var p peak
	require.NoError(l.b, json.Unmarshal(data, &p))
	p.Input = name
	l.say("%s: ffmpeg %d MiB, own %d MiB", name, p.FFmpeg>>20, p.Own>>20)
	return p
}

// BenchmarkVideoJob is the child of BenchmarkVideo: one job and its memory.
func BenchmarkVideoJob(b *testing.B) {
	clip, rest, ok := strings.Cut(os.Getenv(benchJob), "\n")
	if !ok {
		b.Skip("it is a part of BenchmarkVideo")
	}
	dir, answer, _ := strings.Cut(rest, "\n")
	l := &lab{b: b, dir: b.TempDir(), config: contractEncoderConfig()}
	l.tools = l.newTools()
	limits := contractLimits()
	limits.MinDuration = time.Second
	var err error
	l.inspector, err = NewInspector(limits, l.tools)
	require.NoError(b, err)
	e, err := NewEncoder(l.config, l.tools, benchCards(dir), discard())
	require.NoError(b, err)
	for range b.N {
		_, _, err := l.run(e, clip)
		require.NoError(b, err)
	}
	data, err := json.Marshal(peak{FFmpeg: biggestChild(b), Own: ownPeak(b)})
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(answer, data, 0o600))
}

func biggestChild(b *testing.B) int64 {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_CHILDREN, &u))
	return u.Maxrss << 10
}

// ownPeak is not in rusage: there it includes what the parent held before it
// became us.
func ownPeak(b *testing.B) (bytes int64) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(b, err)
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	require.True(b, ok)
	_, err = fmt.Sscanf(rest, "%d kB", &bytes)
	require.NoError(b, err)
	return bytes << 10
}
