package processing

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// quick is how most inputs are encoded: fast, and well enough to be read.
var quick = []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", "30"}

// maker makes an input in a folder that exists and returns its path.
type maker func(t *testing.T, dir string) string

// shot describes an input that shows cards. The zero value is what an ordinary
// phone records in two seconds, though smaller.
type shot struct {
	card   testCard
	rate   string   // "30" when empty
	filter string   // between the cards and the encoder
	codec  []string // quick when empty
	silent bool
	input  []string // further inputs
	output []string // further options
	turn   int      // of the display matrix, in degrees
	name   string   // "clip.mp4" when empty
	behind bool     // the index
	then   []func(t *testing.T, path string) string
}

func (s shot) make(t *testing.T, dir string) string {
	t.Helper()
	if s.name == "" {
		s.name = "clip.mp4"
	}
	if s.codec == nil {
		s.codec = quick
	}
	args := s.card.input(t, s.speed())
	if !s.silent {
		seconds := float64(s.card.filled().frames) / rateOf(s.speed())
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%g", seconds))
	}
	args = append(args, s.input...)
	if s.filter != "" {
		args = append(args, "-vf", s.filter)
	}
	if !slices.Contains(s.codec, "-pix_fmt") {
		args = append(args, "-pix_fmt", "yuv420p") // encoders would keep what the card is stored as
	}
	args = append(args, s.codec...)
	args = append(args, s.output...)
	if !s.behind && !slices.Contains(s.output, "-movflags") {
		args = append(args, "-movflags", "+faststart")
	}
	path := filepath.Join(dir, s.name)
	ffmpegtest.FFmpeg(t, append(args, path)...)
	if s.turn != 0 {
		turned := filepath.Join(dir, "turned-"+s.name)
		ffmpegtest.FFmpeg(t, "-i", path, "-map", "0", "-c", "copy", "-metadata:s:v:0", "rotate="+strconv.Itoa(s.turn), turned)
		path = turned
	}
	for _, then := range s.then {
		path = then(t, path)
	}
	return path
}

func (s shot) speed() string {
	if s.rate == "" {
		return "30"
	}
	return s.rate
}

// times are when the shot's cards are shown, in seconds.
func (s shot) times() []float64 {
	var all []float64
	for i := range s.card.filled().frames {
		all = append(all, float64(i)/rateOf(s.speed()))
	}
	return all
}

func rateOf(rate string) float64 {
	num, den, _ := strings.Cut(rate, "/")
	n, _ := strconv.ParseFloat(num, 64)
	if d, err := strconv.ParseFloat(den, 64); err == nil {
		return n / d
	}
	return n
}

// shownAt lists the cards of count pictures at 30 a second that begin with the
// first card at or after start: at each instant the last card whose time,
// rounded to a thirtieth of a second, has come.
func shownAt(times []float64, start float64, count int) []int {
	first := slices.IndexFunc(times, func(at float64) bool { return at >= start-1e-6 })
	var all []int
	for k := range count {
		n := first
		for i := first; i < len(times); i++ {
			if math.Round((times[i]-times[first])*30) <= float64(k) {
				n = i
			}
		}
		all = append(all, n)
	}
	return all
}

// editedFrom cuts what is before start by an edit list, without encoding.
func editedFrom(start string) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		t.Helper()
		out := filepath.Join(filepath.Dir(path), "trimmed-"+filepath.Base(path))
		ffmpegtest.FFmpeg(t, "-ss", start, "-i", path, "-map", "0:v", "-c", "copy", out)
		return out
	}
}

// copied remuxes without encoding: args follow the input at path.
func copied(args ...string) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		t.Helper()
		out := filepath.Join(filepath.Dir(path), "copied-"+filepath.Base(path))
		ffmpegtest.FFmpeg(t, append(append([]string{"-i", path, "-map", "0", "-c", "copy"}, args...), out)...)
		return out
	}
}

// patched changes bytes of the file.
func patched(change func(t *testing.T, data []byte) []byte) func(*testing.T, string) string {
	return func(t *testing.T, path string) string {
		t.Helper()
		return ffmpegtest.Patched(t, path, func(data []byte) []byte { return change(t, data) })
	}
}

// written is an input that is no video of ours.
func written(data string) maker {
	return func(t *testing.T, _ string) string {
		t.Helper()
		return ffmpegtest.Write(t, "clip.mp4", []byte(data))
	}
}

// produced is an input for which ffmpeg is called once.
func produced(args ...string) maker {
	return func(t *testing.T, dir string) string {
		t.Helper()
		path := filepath.Join(dir, "clip.mp4")
		ffmpegtest.FFmpeg(t, append(args, path)...)
		return path
	}
}

func TestShownAt_FollowsTheClock(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 1, 2}, shownAt(shot{}.times(), 0, 3))
	require.Equal(t, []int{38, 39}, shownAt(shot{}.times(), 1.234, 2))
	require.Equal(t, []int{0, 2, 4}, shownAt(shot{rate: "60"}.times(), 0, 3))
	require.Equal(t, []int{0, 0, 1, 1}, shownAt(shot{rate: "15"}.times(), 0, 4))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}
