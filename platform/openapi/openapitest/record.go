package openapitest

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"sync"
	"time"
)

// keptBytes is how much of a body is kept for validation. Documented JSON
// bodies and forms are limited to 64 KiB.
const keptBytes = 1 << 20

// recorded is what was seen of a request's body while it was sent.
type recorded struct {
	mu    sync.Mutex
	bytes []byte
	names map[string]int // multipart: fields by name; nil for other bodies
	done  chan struct{}  // multipart: closed when names is complete
}

func (r *recorded) body() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// fields waits for the end of a multipart body and returns its fields.
func (r *recorded) fields() (map[string]int, error) {
	select {
	case <-r.done:
		return r.names, nil
	case <-time.After(10 * time.Second):
		return nil, errors.New("answered, but its multipart body was never read to the end")
	}
}

// record watches req's body as it is sent, without changing it. A multipart
// body streams past; only the names of its fields are kept.
func record(req *http.Request) *recorded {
	r := &recorded{}
	if req.Body == nil || req.Body == http.NoBody {
		return r
	}
	kind, params, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		req.Body = &teeBody{ReadCloser: req.Body, write: func(p []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bytes = append(r.bytes, p[:min(len(p), keptBytes-len(r.bytes))]...)
		}}
		return r
	}
	pr, pw := io.Pipe()
	r.names, r.done = map[string]int{}, make(chan struct{})
	go func() {
		defer close(r.done)
		parts := multipart.NewReader(pr, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				break // the end, or a body the server has to judge
			}
			r.names[part.FormName()]++
		}
		_, _ = io.Copy(io.Discard, pr)
	}()
	req.Body = &teeBody{
		ReadCloser: req.Body,
		write:      func(p []byte) { _, _ = pw.Write(p) },
		end:        func() { _ = pw.Close() },
	}
	return r
}

type teeBody struct {
	io.ReadCloser
	write func([]byte)
	end   func()
}

func (b *teeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.write(p[:n])
	}
	if err != nil && b.end != nil {
		b.end()
	}
	return n, err
}

func (b *teeBody) Close() error {
	if b.end != nil {
		b.end()
	}
	return b.ReadCloser.Close()
}
