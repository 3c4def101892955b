package ffmpeg

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"unicode"
)

// maxLine is the longest line looked at; the rest of a longer one is dropped.
const maxLine = 4 << 10

// lines splits what is written to it and hands each line to each. Lines end
// with LF or CR; empty ones are skipped. Write never fails.
type lines struct {
	each    func(string)
	pending []byte
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\n\r")
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if room := maxLine - len(l.pending); room > 0 {
			l.pending = append(l.pending, part[:min(room, len(part))]...)
		}
		if i < 0 {
			break
		}
		l.flush()
		p = p[i+1:]
	}
	return n, nil
}

// flush hands over a last line without an end.
func (l *lines) flush() {
	if len(l.pending) > 0 && l.each != nil {
		l.each(string(l.pending))
	}
	l.pending = l.pending[:0]
}

// tail keeps the end of stderr.
type tail struct {
	each  func(string)
	split lines
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.split.each = t.line
	return t.split.Write(p)
}

func (t *tail) flush() { t.split.flush() }

func (t *tail) line(s string) {
	s = printable(s)
	t.kept = append(append(t.kept, s...), '\n')
	if extra := len(t.kept) - tailBytes; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	if t.each != nil {
		t.each(s)
	}
}

func (t *tail) text() string { return strings.ToValidUTF8(string(t.kept), "") }

// escape is what terminals take for colours, titles and the like.
var escape = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])`)

// printable drops what could confuse a terminal or a log: terminals' commands,
// control and format characters and bytes that are not UTF-8. Parts of a file's
// names end up on stderr.
func printable(s string) string {
	if strings.Contains(s, "\x1b") {
		s = escape.ReplaceAllString(s, "")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// capped collects at most limit bytes; more is an error, which ends the run.
type capped struct {
	buf   bytes.Buffer
	limit int
}

var errTooMuch = errors.New("more output than expected")

func (c *capped) Write(p []byte) (int, error) {
	if c.buf.Len()+len(p) > c.limit {
		return 0, errTooMuch
	}
	return c.buf.Write(p)
}

func (c *capped) String() string { return c.buf.String() }
