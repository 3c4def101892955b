package processing

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
)

// disguise is a file with the name of a video that is something else, or more.
type disguise struct {
	// make returns its bytes. It may name victim, another player's video in
	// the same folder, and the canary's ports.
	make  func(t *testing.T, victim string, c *ffmpegtest.Canary) []byte
	want  Reason // of the inspection; empty: accepted
	fails bool   // in the encoder, where the inspection accepts
	// refers tells that it names something else, so that it is worth giving to
	// the encoder as what it is.
	refers bool
	// control are options that make a plain ffmpeg fall for it; nil where none
	// does.
	control []string
}

// fooled are demuxers, so that the encoder takes each disguise for what it is.
const fooled = "mov,hls,concat,dash,sdp,svg_pipe,png_pipe,jpeg_pipe,gif,image2,mp3,mpegts,data"

// No disguise makes anything look at the victim, or at the network, or leave a
// file: not the inspection, and not the encoder if the inspection were wrong.
func TestDisguise_ReachesNothing(t *testing.T) {
	t.Parallel()
	clip, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{NoAudio: true, MoovAtEnd: true}))
	require.NoError(t, err)
	cases := disguises(clip)
	for name, more := range plainDisguises() {
		require.NotContains(t, cases, name)
		cases[name] = more
	}
	for name, d := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, clip, d)

			_, err := smallInspector(t).Inspect(t.Context(), s.upload)
			if d.want == "" {
				require.NoError(t, err)
			} else {
				requireReason(t, d.want, err)
			}
			s.requireUntouched(t)

			source := accepted()
			_, err = smallEncoder(t).Encode(t.Context(), Job{Path: s.upload, Source: source, Dir: s.job}, nil)
			require.Equal(t, d.want != "" || d.fails, err != nil, "%v", err)
			if d.fails {
				require.True(t, requireReason(t, ReasonCorruptStream, err).Reason.Permanent())
			}
			s.requireUntouched(t)

			if !d.refers || strings.Contains(smallEncoder(t).tools.Confinement(), "no landlock") {
				return // then the lists of formats are all there is
			}
			source.Demuxer = fooled
			_, _ = smallEncoder(t).Encode(t.Context(), Job{Path: s.upload, Source: source, Dir: s.job}, nil)
			s.requireUntouched(t)

			if d.control != nil {
				require.NotEmpty(t, s.plain(t, d.control), "a plain ffmpeg falls for it, and the scene shows that")
			}
		})
	}
}

// scene is a store with two uploads, the folder of a job, and somebody who
// listens.
type scene struct {
	uploads, upload, job string
	canary               *ffmpegtest.Canary
	watch                *ffmpegtest.Watch
	before               map[string]string
}

func newScene(t *testing.T, clip []byte, d disguise) *scene {
	t.Helper()
	s := &scene{uploads: t.TempDir(), job: t.TempDir(), canary: ffmpegtest.NewCanary(t)}
	s.upload = filepath.Join(s.uploads, "upload.mp4")
	victim := filepath.Join(s.uploads, "victim.mp4")
	require.NoError(t, os.WriteFile(victim, clip, 0o600))
	require.NoError(t, os.WriteFile(s.upload, d.make(t, victim, s.canary), 0o600))
	s.before = ffmpegtest.Snapshot(t, s.uploads)
	s.watch = ffmpegtest.NewWatch(t, s.uploads)
	return s
}

// reached tells what was opened beside the upload itself, and who was called.
func (s *scene) reached(t *testing.T) []string {
	t.Helper()
	reached := slices.DeleteFunc(s.watch.Opened(t), func(name string) bool { return name == "upload.mp4" })
	return append(reached, s.canary.Heard(t)...)
}

func (s *scene) requireUntouched(t *testing.T) {
	t.Helper()
	require.Empty(t, s.reached(t))
	require.Equal(t, s.before, ffmpegtest.Snapshot(t, s.uploads))
	s.watch.Opened(t) // the snapshot opens the folder
	entries, err := os.ReadDir(s.job)
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, []string{bodyName, listName, videoName, posterName}, e.Name())
		require.True(t, e.Type().IsRegular())
	}
}

// plain gives the upload to ffmpeg as anybody would, and tells what it reached.
func (s *scene) plain(t *testing.T, options []string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	args := slices.Concat([]string{"-nostdin", "-v", "error"}, options, []string{"-i", s.upload, "-t", "1", "-f", "null", "-"})
	out, _ := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput()
	reached := s.reached(t)
	if len(reached) == 0 {
		t.Logf("ffmpeg %v: %s", args, out)
	}
	return reached
}

func TestDisguise_CoversWhatTheIssueNames(t *testing.T) {
	t.Parallel()
	names := strings.Join(slices.Concat(slices.Collect(maps.Keys(disguises(nil))), slices.Collect(maps.Keys(plainDisguises()))), "\n")
	for _, kind := range []string{"HLS", "concat", "DASH", "SDP", "SVG", "PNG", "MP3", "ELF", "ZIP", "HTML"} {
		require.Contains(t, names, kind)
	}
}
