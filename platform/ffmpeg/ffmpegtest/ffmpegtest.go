// Package ffmpegtest makes video clips for tests, with the real ffmpeg.
package ffmpegtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Require skips the test when ffmpeg or ffprobe is not installed, and fails it
// when ANB_TEST_REQUIRE=1.
func Require(tb testing.TB) {
	tb.Helper()
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("ANB_TEST_REQUIRE") == "1" {
				tb.Fatalf("%s is required: %v", program, err)
			}
			tb.Skipf("%s is not installed: %v", program, err)
		}
	}
}

// Spec describes a clip. The zero value is 2 s of a moving test picture,
// 320x180 at 30 fps, H.264 with a tone, index in front.
type Spec struct {
	Name          string  // file name; "clip.mp4" when empty
	Dir           string  // where; tb.TempDir() when empty
	Width, Height int     // as stored
	Seconds       float64 //
	FPS           string  // "30", "30000/1001"
	Source        string  // a lavfi source with its size, rate and duration, instead of testsrc2
	Filter        string  // filters after the source
	NoAudio       bool    //
	Rotate        int     // degrees in the display matrix: 90, 180, 270
	MoovAtEnd     bool    // as cameras write it
	Input         []string
	Codec         []string // instead of the quick libx264
	Output        []string // further output options, such as -metadata
}

// Clip makes the clip and returns its path. A 30 s clip in 1080p takes some
// seconds.
func Clip(tb testing.TB, s Spec) string {
	tb.Helper()
	Require(tb)
	s = s.filled()
	dir := s.Dir
	if dir == "" {
		dir = tb.TempDir()
	}
	path := filepath.Join(dir, s.Name)
	made := path
	if s.Rotate != 0 {
		made = filepath.Join(dir, "upright-"+s.Name)
	}
	FFmpeg(tb, append(s.args(), made)...)
	if s.Rotate == 0 {
		return path
	}
	FFmpeg(tb, append(append([]string{"-i", made, "-map", "0", "-c", "copy", "-metadata:s:v:0", "rotate=" + strconv.Itoa(s.Rotate)}, s.index()...), path)...)
	if err := os.Remove(made); err != nil {
		tb.Fatalf("remove intermediate clip: %v", err)
	}
	return path
}

func (s Spec) filled() Spec {
	if s.Name == "" {
		s.Name = "clip.mp4"
	}
	if s.Width == 0 {
		s.Width, s.Height = 320, 180
	}
	if s.Seconds == 0 {
		s.Seconds = 2
	}
	if s.FPS == "" {
		s.FPS = "30"
	}
	if s.Source == "" {
		s.Source = fmt.Sprintf("testsrc2=size=%dx%d:rate=%s:duration=%g", s.Width, s.Height, s.FPS, s.Seconds)
	}
	if s.Codec == nil {
		s.Codec = []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-g", "30"}
	}
	return s
}

func (s Spec) args() []string {
	args := append([]string{}, s.Input...)
	args = append(args, "-f", "lavfi", "-i", s.Source)
	if !s.NoAudio {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=440:duration=%g", s.Seconds))
	}
	if s.Filter != "" {
		args = append(args, "-vf", s.Filter)
	}
	args = append(args, s.Codec...)
	args = append(args, s.index()...)
	return append(args, s.Output...)
}

func (s Spec) index() []string {
	if s.MoovAtEnd {
		return nil
	}
	return []string{"-movflags", "+faststart"}
}

// Phone makes what a phone held upright records: 30 s of 1920x1080 pictures
// with a display matrix that turns them, a place in its metadata, sound.
func Phone(tb testing.TB, dir string) string {
	tb.Helper()
	return Clip(tb, Spec{
		Name: "phone.mp4", Dir: dir, Width: 1920, Height: 1080, Seconds: 30, Rotate: 90,
		Output: []string{"-metadata", "location=+04.6097-074.0817/"},
	})
}

// FullHD makes a clip that meets the product's usual limits: 1920x1080 for the
// given time.
func FullHD(tb testing.TB, dir string, seconds float64) string {
	tb.Helper()
	return Clip(tb, Spec{Name: "fullhd.mp4", Dir: dir, Width: 1920, Height: 1080, Seconds: seconds})
}

// Truncated returns a copy of path that ends after the given part of it.
func Truncated(tb testing.TB, path string, part float64) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("read clip to truncate: %v", err)
	}
	return Write(tb, "truncated.mp4", data[:int(float64(len(data))*part)])
}

// Playlist returns an HLS playlist, named like a video, that points at target.
func Playlist(tb testing.TB, target string) string {
	tb.Helper()
	return Write(tb, "playlist.mp4", fmt.Appendf(nil,
		"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://%s\n#EXT-X-ENDLIST\n", target))
}

// ConcatScript returns an ffconcat script, named like a video, that points at
// target.
func ConcatScript(tb testing.TB, target string) string {
	tb.Helper()
	return Write(tb, "concat.mp4", fmt.Appendf(nil, "ffconcat version 1.0\nfile '%s'\n", target))
}

// Write puts data into a new file of that name and returns its path.
func Write(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatalf("write %s: %v", name, err)
	}
	return path
}

// Script writes an executable shell script that stands in for a program and
// returns its path.
func Script(tb testing.TB, body string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "program")
	// A child that another test forks meanwhile would hold the file open for
	// writing, and until it has executed its own program nobody could run ours.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o600)
	syscall.ForkLock.RUnlock()
	if err != nil {
		tb.Fatalf("write script: %v", err)
	}
	if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // it is to be run
		tb.Fatalf("make script executable: %v", err)
	}
	return path
}

// FFmpeg runs ffmpeg and fails the test if it fails.
func FFmpeg(tb testing.TB, args ...string) {
	tb.Helper()
	output(tb, "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
}

// Frames decodes path into packed RGB pictures of the given size.
func Frames(tb testing.TB, path string, width, height int) [][]byte {
	tb.Helper()
	frames, complaints := Decode(tb, path, width, height)
	if complaints != "" {
		tb.Fatalf("decode %s: %s", path, complaints)
	}
	return frames
}

func output(tb testing.TB, program string, args ...string) []byte {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), program, args...)
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // straight from exec
			stderr = exit.Stderr
		}
		tb.Fatalf("%s %v: %v\n%s", program, args, err, stderr)
	}
	return out
}
