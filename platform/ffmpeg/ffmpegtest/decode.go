package ffmpegtest

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Decode is Frames for a file that may be bad: what the decoder says, and that
// it gave up, is returned and does not fail the test.
func Decode(tb testing.TB, path string, width, height int) (frames [][]byte, complaints string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", path, "-an", "-fps_mode", "passthrough",
		"-vf", fmt.Sprintf("scale=%d:%d:in_color_matrix=bt709", width, height), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	for { // a buffer that grows would cost more than the decoding
		frame := make([]byte, width*height*3)
		if _, err := io.ReadFull(out, frame); err != nil {
			break
		}
		frames = append(frames, frame)
	}
	if err := cmd.Wait(); err != nil {
		fmt.Fprintln(&errs, err)
	}
	return frames, errs.String()
}
