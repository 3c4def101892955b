package processing

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFingerprint is its longest length, in bytes.
const maxFingerprint = 200

// fingerprint names a failure so that equal ones of different videos have equal
// names: the reason, how ffmpeg ended, and the last line that says why, without
// what differs from file to file. It is stored, and old ones are compared with
// new ones: a change of it splits groups.
func fingerprint(f *Failure) string {
	name := string(f.Reason)
	switch {
	case f.Signal != "":
		name += " signal " + f.Signal
	case f.ExitCode != 0:
		name += " exit " + strconv.Itoa(f.ExitCode)
	}
	line := causeIn(f.Tail)
	if line == "" && f.Err != nil {
		line = normal(f.Err.Error())
	}
	if line != "" {
		name += ": " + line
	}
	return shortened(name, maxFingerprint)
}

// causeIn is the last line of ffmpeg's words that says more than that something
// failed, else the last one.
func causeIn(said string) (line string) {
	var last string
	for l := range strings.Lines(said) {
		n := normal(l)
		if n == "" || strings.HasPrefix(n, "last message repeated") {
			continue
		}
		last = n
		if !consequence.MatchString(n) {
			line = n
		}
	}
	if line == "" {
		return last
	}
	return line
}

// consequence matches lines with which ffmpeg only tells that it gave up, after
// another one that says why; in various versions, and normalised.
var consequence = regexp.MustCompile(strings.Join([]string{
	`^conversion failed`,
	`^error opening (input|output)`,
	`^error while (decoding stream|filtering|processing|opening)`,
	`^error (reinitializing filters|initializing output|marking filters as finished|submitting packet to decoder|processing packet in decoder|parsing|sending frames to consumers)`,
	`^(<path>|pipe:#): (invalid (data|argument)|error opening)`,
	`^(task|decoder|demuxer|encoder|muxer) (thread|finished|task)`,
	`^terminating (thread|demuxer)`,
	`^nothing was written into output file`,
	`^exiting normally, received signal`,
	`^could not open encoder before eof`,
	`^failed to (inject frame into filter network|set value)`,
}, "|"))

// variable is what differs between equal failures, in the order in which it is
// looked for.
var variable = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`^(\[[^\]]*\] )+`), ""}, // [mov,mp4,m4a,3gp,3g2,mj2 @ 0x55d0c8d0a700]
	{regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^\s'"]+`), "<url>"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`(^|[\s=(])(file:)?/[^\s:;,)'"]+`), "$1<path>"},
	{regexp.MustCompile(`[^\s:;,('"=<>]+\.(mp4|mov|m4v|webm|mkv|avi|jpe?g|png|txt|cube)\b`), "<path>"},
	{regexp.MustCompile(`(^|[^a-z0-9])('[^']*'|"[^"]*")`), "$1<name>"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[t ]\d\d:\d\d(:\d\d)?(\.\d+)?(z|[+-]\d\d:?\d\d)?`), "<time>"},
	{regexp.MustCompile(`\b\d+:\d\d(:\d\d)?(\.\d+)?\b`), "<time>"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(h|m|s|ms|µs|us|ns)\b`), "#s"},
	{regexp.MustCompile(`\b0x[0-9a-f]+\b`), "<hex>"},
	{regexp.MustCompile(`[-+]?\b\d+(\.\d+)?\b`), "#"},
	{regexp.MustCompile(`\b[0-9a-f]{8,}\b`), "<hex>"},
	{regexp.MustCompile(`[-+]?\b\d+(\.\d+)?`), "#"},
	{regexp.MustCompile(`#x\d+`), "#x#"},
	{regexp.MustCompile(`\s+`), " "},
}

// normal is a line without what differs between equal failures.
func normal(line string) string {
	line = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		}
		return unicode.ToLower(r)
	}, line)
	line = strings.TrimSpace(line)
	for _, v := range variable {
		line = v.pattern.ReplaceAllString(line, v.by)
	}
	return strings.TrimSpace(line)
}

// shortened is s cut to at most n bytes of whole characters.
func shortened(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n])
}
