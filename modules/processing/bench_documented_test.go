package processing

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What docs/VIDEO.md tells of the code, and only this package can read.
//
//nolint:paralleltest // with -update it writes what others read
func TestVIDEO_TellsTheDocumentedCommandAndPolicy(t *testing.T) {
	const path = "../../docs/VIDEO.md"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	document := string(data)
	for name, text := range map[string]string{"command": "```text\n" + bodyCommand() + "```\n", "policy": policyTable()} {
		begin := "<!-- " + name + ": made by \"go test ./modules/processing -run Documented -update\" -->"
		end := "<!-- " + name + " ends -->"
		before, rest, ok := strings.Cut(document, begin)
		require.True(t, ok, "%s has lost its marker: %s", path, begin)
		got, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "%s has lost its marker: %s", path, end)
		want := "\n\n" + text + "\n"
		if !*update {
			require.Equal(t, want, got, "run: go test ./modules/processing -run Documented -update")
		}
		document = before + begin + want + end + after
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(document), 0o644)) //nolint:gosec // a document
	}
}

// policyTable is plan.damaged and bodyFailure in words.
func policyTable() string {
	var b strings.Builder
	b.WriteString("| What is found | What becomes of it |\n|---|---|\n")
	row := func(what string, r Reason) { fmt.Fprintf(&b, "| %s | `%s` |\n", what, r.Code()) }
	row("more than 3 % of the pictures are missing, or the file ends inside one", ReasonTruncated)
	row("more packets than "+undecodable+" of all are lost, nothing decodes, or pictures are far larger than the header said: ffmpeg gives up", ReasonCorruptStream)
	row(fmt.Sprintf("the decoder complains more than %d times, and more often than of %g %% of the pictures", glitch, 100*glitches), ReasonCorruptStream)
	b.WriteString("| less than all this | published; the complaints are counted and kept with the attempt |\n")
	return b.String()
}

// bodyCommand is the run of ffmpeg that makes the body of an ordinary clip of
// a phone, in lines for people.
func bodyCommand() string {
	c := contractEncoderConfig()
	j := Job{Path: "UPLOAD", Source: Source{Demuxer: "mov", Codec: "h264", Width: 1920, Height: 1080, Duration: c.ClipLength, FPS: 30}}
	p := c.plan(j.Source, 0)
	p.begin = c.ClipLength / 10
	breaks := map[string]bool{
		"-max_pixels": true, "-ss": true, "-protocol_whitelist": true, "-filter_complex_threads": true, "-map": true,
		"-c:v": true, "-q:v": true, "-maxrate": true, "-video_track_timescale": true, "-y": true,
	}
	graph := strings.NewReplacer(";", ";\n    ", ",scale", ",\n     scale", ":h='if", "\n       :h='if", ":flags", "\n       :flags",
		",format=yuv420p,pad", ",\n     format=yuv420p,pad", ",format=yuv420p,setparams", ",\n     format=yuv420p,setparams")
	var b strings.Builder
	b.WriteString("ffmpeg -hide_banner -nostdin -nostats -v error -progress pipe:1")
	args := c.bodyArgs(j, p, "WATERMARK", "BODY", "POSTER")
	for i, a := range args {
		switch {
		case i == 0 || breaks[a]:
			b.WriteString("\n  " + a)
		case args[i-1] == "-filter_complex":
			b.WriteString("\n    \"" + graph.Replace(a) + "\"")
		default:
			b.WriteString(" " + a)
		}
	}
	return b.String() + "\n"
}
