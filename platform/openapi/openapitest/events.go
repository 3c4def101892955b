package openapitest

import (
	"bytes"
	"io"
)

// eventBody checks the data of each server-sent event as the client reads it.
type eventBody struct {
	io.ReadCloser
	check func(data []byte)
	line  []byte
	data  []byte
}

// Read implements io.Reader.
func (b *eventBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for _, ch := range p[:n] {
		if ch == '\n' {
			b.endLine()
		} else {
			b.line = append(b.line, ch)
		}
	}
	return n, err
}

func (b *eventBody) endLine() {
	line := bytes.TrimSuffix(b.line, []byte("\r"))
	switch data, ok := bytes.CutPrefix(line, []byte("data:")); {
	case ok:
		b.data = append(b.data, bytes.TrimPrefix(data, []byte(" "))...)
	case len(line) == 0 && len(b.data) > 0:
		b.check(b.data)
		b.data = nil
	}
	b.line = b.line[:0]
}
