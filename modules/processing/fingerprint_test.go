package processing

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

func TestFingerprint_IsThatOfTheCauseAndNotOfTheFile(t *testing.T) {
	t.Parallel()
	exit := func(code int, said ...string) *Failure {
		return &Failure{Reason: ReasonEncoderFailed, ExitCode: code, Tail: strings.Join(said, "\n") + "\n", Err: errors.New("unused")}
	}
	tests := map[string]struct {
		want string
		of   []*Failure // of several files
	}{
		"no index, ffmpeg 5 and 7": {"encoder_failed exit 183: moov atom not found", []*Failure{
			exit(183, "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x555921355840] moov atom not found",
				"file:/var/lib/anb/work/host-7-1a2b3c4d/0193-1/upload.mp4: Invalid data found when processing input"),
			exit(183, "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x5581d0c8a700] moov atom not found", "[in#0 @ 0x5581d0c8a700] Error opening input: Invalid data found when processing input",
				"Error opening input file file:/tmp/other.mp4.", "Error opening input files: Invalid data found when processing input"),
		}},
		"a broken picture": {"encoder_failed exit 69: error while decoding mb # #, bytestream #", []*Failure{
			exit(69, "[h264 @ 0x55c5ce95ca40] Reference 4 >= 4", "[h264 @ 0x55c5ce95ca40] error while decoding MB 17 6, bytestream 1097"),
			exit(69, "[h264 @ 0x55c5ce995080] error while decoding MB 6 10, bytestream -174", "Error while decoding stream #0:0: Invalid data found when processing input",
				"    Last message repeated 3 times", "Conversion failed!"),
		}},
		"a file that is cut off": {"encoder_failed exit 1: stream #, offset <hex>: partial file", []*Failure{
			exit(1, "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x56327c442840] stream 0, offset 0x89fa: partial file"),
			exit(1, "[vist#0:0/h264 @ 0x1] [mov,mp4,m4a,3gp,3g2,mj2 @ 0x56] stream 1, offset 0x9365abcd: partial file", "Error marking filters as finished"),
		}},
		"pictures that are too large": {"encoder_failed exit 1: picture size #x# exceeds specified max pixel count #, see the documentation if you wish to increase it", []*Failure{
			exit(1, "[h264 @ 0x55e1e73a7e00] [IMGUTILS @ 0x7fff5f8f4350] Picture size 320x180 exceeds specified max pixel count 100, see the documentation if you wish to increase it"),
			exit(1, "[h264 @ 0x1] [IMGUTILS @ 0x2] Picture size 16000x8000 exceeds specified max pixel count 9437184, see the documentation if you wish to increase it",
				"Error while opening decoder for input stream #0:0 : Invalid argument"),
		}},
		"names in quotes": {"encoder_failed exit 1: no such filter: <name>", []*Failure{
			exit(1, "[AVFilterGraph @ 0x5612232d2f40] No such filter: 'nosuch'", "Error reinitializing filters!",
				"Failed to inject frame into filter network: Invalid argument", "Error while processing the decoded data for stream #0:0"),
			exit(1, `[AVFilterGraph @ 0x1] No such filter: "Ana's"`),
		}},
		"paths, with and without a folder": {"storage exit 1: <path>: input/output error", []*Failure{
			{Reason: ReasonStorage, ExitCode: 1, Tail: "/srv/anb/01937b2e-8f00-7c3a-9d4e-5f6a7b8c9d01.mp4: Input/output error\n"},
			{Reason: ReasonStorage, ExitCode: 1, Tail: "body.mp4: Input/output error\n"},
		}},
		"times, ids and addresses": {"encoder_failed exit 1: <id> of <hex> at <time>, <time> from <url>", []*Failure{
			exit(1, "01937b2e-8f00-7c3a-9d4e-5f6a7b8c9d01 of 0193cafe12ab at 2026-01-15T14:30:00Z, 00:00:01.50 from https://host/a?X-Amz-Signature=s3cret"),
			exit(1, "11937b2e-8f00-7c3a-9d4e-5f6a7b8c9d02 of deadbeef0099 at 2027-11-05 04:30:00.25, 01:10:01 from s3://b/k"),
		}},
		"only consequences": {"encoder_failed exit 1: conversion failed!", []*Failure{
			exit(1, "Error while decoding stream #0:0: Invalid data found when processing input", "Conversion failed!"),
		}},
		"a signal":   {"killed signal killed", []*Failure{{Reason: ReasonKilled, Signal: "killed", ExitCode: -1}}},
		"not a word": {"timeout", []*Failure{{Reason: ReasonTimeout}}},
		"not ffmpeg's": {"truncated: # frames of #, the decoder complained # times", []*Failure{
			reject(ReasonTruncated, "%d frames of %d, the decoder complained %d times", 12, 900, 0),
			reject(ReasonTruncated, "%d frames of %d, the decoder complained %d times", 123456789, 1, 2),
		}},
		"durations": {"duration_too_short: #s of at least #s", []*Failure{
			reject(ReasonDurationTooShort, "%s of at least %s", "2.5s", "20s"), reject(ReasonDurationTooShort, "%s of at least %s", "140ms", "1m20.5s"),
		}},
		"control characters": {"encoder_failed exit 1: a [#mred line", []*Failure{exit(1, "A \x1b[31mred\x00\u202e\u00a0 line")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range tt.of {
				require.Equal(t, tt.want, fingerprint(f))
			}
		})
	}
}

func TestFingerprint_IsShortAndWhole(t *testing.T) {
	t.Parallel()
	for n := range 4 {
		got := fingerprint(&Failure{Reason: ReasonEncoderFailed, Tail: strings.Repeat("x", n) + strings.Repeat("ñ", 500)})
		require.LessOrEqual(t, len(got), 200)
		require.Greater(t, len(got), 190)
		require.True(t, utf8.ValidString(got))
	}
}

func TestFingerprint_OfRealFailuresOfDifferentFilesAreEqual(t *testing.T) {
	t.Parallel()
	tools := installedTools(t)
	var seen []string
	for n := range 2 {
		file := ffmpegtest.Write(t, fmt.Sprintf("broken-%d.mp4", n), []byte(strings.Repeat("\x00\x00\x00\x08free", 100*(n+1))))
		_, err := tools.Run(t.Context(), ffmpeg.Command{Args: []string{"-i", "file:" + file, "-f", "null", "-"}, Reads: []string{file}})
		f, ok := errors.AsType[*Failure](failure("encode", err, ReasonEncoderFailed))
		require.True(t, ok, "%v", err)
		seen = append(seen, fingerprint(f))
	}
	require.Equal(t, seen[0], seen[1])
	require.Regexp(t, `^encoder_failed exit \d+: moov atom not found$`, seen[0])
}
