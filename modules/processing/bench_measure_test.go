package processing

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cost is what a piece of work took, in seconds: of all processors that its
// processes used, and of the clock.
type cost struct {
	CPU  float64 `json:"cpu"`
	Wall float64 `json:"wall"`
}

// usage is the processor time, in seconds, of this process or of all children
// that it has waited for.
func usage(who int) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		panic(err) // only for a bad who
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func spent() float64 { return usage(unix.RUSAGE_SELF) + usage(unix.RUSAGE_CHILDREN) }

func measured(work func()) cost {
	cpu, began := spent(), time.Now()
	work()
	return cost{CPU: spent() - cpu, Wall: time.Since(began).Seconds()}
}

// bare runs a program as anybody would, and returns what it wrote to stderr.
func (l *lab) bare(program string, args ...string) string {
	l.b.Helper()
	said, err := runBare(l.b.Context(), program, args...)
	require.NoError(l.b, err)
	return said
}

func runBare(ctx context.Context, program string, args ...string) (string, error) {
	var said bytes.Buffer
	if program == "ffmpeg" {
		args = append([]string{"-hide_banner", "-nostdin", "-nostats"}, args...)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s %q: %w: %s", program, args, err, said.String())
	}
	return said.String(), nil
}

var ssimY = regexp.MustCompile(`SSIM Y:([0-9.]+)`)

// ssim compares frames of a video, the first of them skipped, with raw ones:
// the likeness of brightness, 1 for the same.
func (l *lab) ssim(video string, skip, frames int64, raw string) (float64, error) {
	said, err := runBare(l.b.Context(), "ffmpeg", "-i", video, "-f", "rawvideo", "-pix_fmt", "yuv420p",
		"-video_size", fmt.Sprintf("%dx%d", l.config.Width, l.config.Height), "-framerate", strconv.Itoa(l.config.FPS), "-i", raw,
		"-filter_complex", fmt.Sprintf("[0:v]trim=start_frame=%d:end_frame=%d,settb=1/%[3]d,setpts=N[a];[1:v]settb=1/%[3]d,setpts=N[b];[a][b]ssim=shortest=1",
			skip, skip+frames, l.config.FPS),
		"-f", "null", "-")
	if err != nil {
		return 0, err
	}
	m := ssimY.FindStringSubmatch(said)
	if m == nil {
		return 0, fmt.Errorf("no SSIM in %s", said)
	}
	return strconv.ParseFloat(m[1], 64)
}

// fileSize is in bytes.
func (l *lab) fileSize(path string) int64 {
	l.b.Helper()
	stat, err := os.Stat(path)
	require.NoError(l.b, err)
	return stat.Size()
}

// bodyBytes adds up the packets of the frames from skip on, without the
// container around them.
func (l *lab) bodyBytes(path string, skip, frames int64) int64 {
	l.b.Helper()
	out, err := exec.CommandContext(l.b.Context(), "ffprobe", "-v", "error", "-select_streams", "v:0",
		"-show_entries", "packet=pts_time,size", "-of", "csv=p=0", path).Output()
	require.NoError(l.b, err)
	sum, seen := int64(0), int64(0)
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		require.GreaterOrEqual(l.b, len(fields), 2, line)
		at, err := strconv.ParseFloat(fields[0], 64)
		require.NoError(l.b, err)
		n, err := strconv.ParseInt(fields[1], 10, 64)
		require.NoError(l.b, err)
		if frame := int64(at*float64(l.config.FPS) + 0.5); frame >= skip && frame < skip+frames {
			sum += n
			seen++
		}
	}
	require.Equal(l.b, frames, seen, "frames of the body in %s", path)
	return sum
}
