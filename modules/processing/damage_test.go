package processing

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

func TestPlan_JudgesDamage(t *testing.T) {
	t.Parallel()
	s, p := Source{FPS: 30}, plan{frames: 900}
	tests := map[string]struct {
		got        int64
		complaints int
		want       Reason
	}{
		"whole":                                 {900, 0, ""},
		"one glitch":                            {900, 3, ""},
		"more than one":                         {900, 4, ReasonCorruptStream},
		"three in a hundred pictures less":      {872, 0, ""},
		"fewer still":                           {871, 0, ReasonTruncated},
		"too few, and damaged: what to copy is": {500, 40, ReasonTruncated},
		"nothing":                               {0, 0, ReasonTruncated},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, p.damaged(tt.got, tt.complaints, s, 30))
		})
	}
	require.Empty(t, plan{frames: 60}.damaged(60, 3, s, 30), "a glitch is allowed in a short clip too")
	require.Empty(t, plan{frames: 2000}.damaged(2000, 8, s, 30), "a long one may have more")
}

func TestComplaints_CountsOnlyTheDecoders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lines string
		want  int
	}{
		"a damaged slice": {"[h264 @ 0x55] left block unavailable for requested intra mode\n[h264 @ 0x55] error while decoding MB 3 4, bytestream 99", 2},
		"repeated":        {"[hevc @ 0x55] The slice_qp 77 is outside the valid range.\n    Last message repeated 3 times", 4},
		"the container":   {"[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55] stream 0, offset 0x30: partial file\n    Last message repeated 9 times", 0},
		"ffmpeg itself":   {"Error while decoding stream #0:0: Invalid data found when processing input", 0},
		"the encoder":     {"[libx264 @ 0x55] non-strictly-monotonic PTS", 0},
		"a filter":        {"[graph 0 input from stream 0:0 @ 0x55] Changing video frame properties on the fly", 0},
		"an open group":   {"[h264 @ 0x55] co located POCs unavailable\n[h264 @ 0x55] mmco: unref short failure\n[hevc @ 0x55] Could not find ref with POC 8", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c complaints
			for line := range strings.Lines(tt.lines) {
				c.line(strings.TrimRight(line, "\n"))
			}
			require.Equal(t, tt.want, c.count)
		})
	}
}

// damageRow is what the table in the documentation tells.
type damageRow struct {
	Damage  string `json:"damage"`
	Errors  int    `json:"decode_errors"`
	Spoiled int    `json:"damaged_pictures_percent"`
	Result  string `json:"result"`
}

// TestDamage_RefusesWhatIsSpoiled breaks 30 s of film in many ways and compares, picture by
// picture, what a player would see with what was filmed.
func TestDamage_RefusesWhatIsSpoiled(t *testing.T) {
	t.Parallel()
	film := filmed(t)
	data, frames := readFile(t, film), 900
	clean, _ := smallGrey(t, film)
	rows := []damageRow{{Damage: "none", Result: "published"}}
	judge := func(damage string, broken []byte) {
		seen, said := smallGrey(t, ffmpegtest.Write(t, "broken.mp4", broken))
		var c complaints
		for line := range strings.Lines(said) {
			c.line(strings.TrimRight(line, "\n"))
		}
		result := "published"
		if reason := (plan{frames: int64(frames)}).damaged(int64(len(seen)), c.count, Source{FPS: 30}, 30); reason != "" {
			result = reason.Code()
		}
		rows = append(rows, damageRow{damage, c.count, int(math.Round(100 * float64(spoiled(clean, seen)) / float64(frames))), result})
	}
	start := len(data) - len(media(data))
	for _, bits := range []int{1, 2, 3, 10, 30, 100, 400} {
		judge(fmt.Sprintf("flipped bits: %d", bits), withFlips(data, start, bits, 2))
	}
	for _, kilobytes := range []int{1, 20, 200} {
		holed := append([]byte{}, data...)
		at := start + len(media(data))/3
		clear(holed[at : at+kilobytes<<10])
		judge(fmt.Sprintf("a hole of %d kB", kilobytes), holed)
	}
	for _, percent := range []int{99, 98, 60, 50} {
		judge(fmt.Sprintf("cut off after %d %%", percent), data[:len(data)*percent/100])
	}
	for _, r := range rows {
		t.Logf("%+v", r)
	}
	for _, r := range rows {
		switch { // a decoder does not notice every flipped bit
		case r.Spoiled > 5:
			require.NotEqual(t, "published", r.Result, "%+v", r)
		case r.Spoiled < 2:
			require.Equal(t, "published", r.Result, "%+v", r)
		}
	}
	compareDocument(t, "damage.json", rows)
}

// filmed is half a minute that moves and has the noise of a small sensor, as
// large for its size as what a phone writes, a key picture every second.
func filmed(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	ffmpegtest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=30,noise=alls=6:allf=t", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-threads", "1", "-preset", "veryfast", "-b:v", "700k", "-g", "30", "-bf", "0", "-movflags", "+faststart", path)
	return path
}

func withFlips(data []byte, from, bits int, seed uint64) []byte {
	r, broken := rand.New(rand.NewPCG(seed, uint64(bits))), append([]byte{}, data...) //nolint:gosec // repeatable
	for range bits {
		broken[from+r.IntN(len(data)-from)] ^= 1 << r.IntN(8)
	}
	return broken
}

// smallGrey decodes a file to 160x90 in grey, at 30 pictures a second.
func smallGrey(t *testing.T, path string) (frames [][]byte, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", path,
		"-vf", "fps=30,scale=160:90:flags=area,format=gray", "-f", "rawvideo", "-")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for frame := make([]byte, 160*90); ; frame = make([]byte, 160*90) {
		if _, err := io.ReadFull(out, frame); err != nil {
			break
		}
		frames = append(frames, frame)
	}
	if err := cmd.Wait(); err != nil {
		t.Log(err) // ffmpeg's exit code tells that some packets are lost
	}
	return frames, errs.String()
}

// spoiled counts the pictures in which at least half a per cent of the area is
// visibly different; those that are missing are spoiled too.
//
//go:norace
func spoiled(clean, seen [][]byte) int {
	n := max(0, len(clean)-len(seen))
	for i := range min(len(clean), len(seen)) {
		different := 0
		for j := range clean[i] {
			if d := int(clean[i][j]) - int(seen[i][j]); d > 20 || d < -20 {
				different++
			}
		}
		if different >= 160*90/200 {
			n++
		}
	}
	return n
}

func TestEncode_ForgivesOneGlitch(t *testing.T) {
	t.Parallel()
	data := readFile(t, ffmpegtest.Clip(t, ffmpegtest.Spec{NoAudio: true, Source: "testsrc2=s=320x180:r=30:d=2,noise=alls=20:allf=t"}))
	encode := func(bits int) (Output, error) {
		upload := ffmpegtest.Write(t, "upload.mp4", withFlips(data, len(data)-len(media(data)), bits, 1))
		return smallEncoder(t).Encode(t.Context(), Job{Path: upload, Source: accepted(), Dir: t.TempDir()}, nil)
	}
	out, err := encode(1) // which the decoder notices: not every bit is
	require.NoError(t, err)
	require.Equal(t, 2, out.DecodeErrors, "and it is counted")
	_, err = encode(40)
	f := requireReason(t, ReasonCorruptStream, err)
	require.NotEmpty(t, f.Tail)
}
