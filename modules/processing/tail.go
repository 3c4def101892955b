package processing

import (
	"strings"
	"sync"
)

// How much of ffmpeg's words in an attempt is kept.
const (
	tailLines = 500
	tailBytes = 64 << 10 // with the ends of lines
)

// tail is the end of what ffmpeg says on stderr in an attempt, and what it was
// told. It is safe for concurrent use.
type tail struct {
	mu    sync.Mutex
	lines []string
	bytes int
	heard int      // lines, also those that are not kept any more, and commands
	told  []string // command lines
}

// command adds one that is about to run.
func (t *tail) command(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told, t.heard = append(t.told, line), t.heard+1
}

// commands returns them, one a line.
func (t *tail) commands() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.told, "\n")
}

// line adds one, without control characters as ffmpeg.Command.OnLine gives it.
// It is quick, since ffmpeg waits for it.
func (t *tail) line(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines, t.bytes, t.heard = append(t.lines, s), t.bytes+len(s)+1, t.heard+1
	for len(t.lines) > tailLines || t.bytes > tailBytes {
		t.bytes -= len(t.lines[0]) + 1
		t.lines = t.lines[1:]
	}
}

// add adds the lines of text, unless they are the last ones already.
func (t *tail) add(text string) {
	if strings.HasSuffix(t.text(), text) {
		return
	}
	for l := range strings.Lines(text) {
		t.line(strings.TrimSuffix(l, "\n"))
	}
}

// text returns the lines, each with its end.
func (t *tail) text() string {
	text, _ := t.since(-1)
	return text
}

// since returns the text if lines or commands came after the first n, and how
// many there have been.
func (t *tail) since(n int) (text string, heard int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == n {
		return "", n
	}
	var b strings.Builder
	b.Grow(t.bytes)
	for _, l := range t.lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.String(), t.heard
}
