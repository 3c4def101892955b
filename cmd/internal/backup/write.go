package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	tablePart = 4 << 20 // bytes of rows after which an entry ends, before compression
	sumsPart  = 1000    // files with their sums in one entry
	step      = 1 << 20 // bytes moved at once
)

// writer writes an archive to out. After an error it is of no use.
type writer struct {
	ctx   context.Context // of the whole archive; io.Writer has none
	out   io.Writer
	sum   *sum
	pulse *pulse
	tar   *tar.Writer
	at    time.Time // of all entries

	sums  bytes.Buffer // of files since the last entry of sums
	held  int          // how many
	parts int          // entries of sums
	buf   []byte
}

func newWriter(ctx context.Context, out io.Writer, p *pulse) *writer {
	w := &writer{ctx: ctx, out: out, sum: newSum(), pulse: p, buf: make([]byte, step)}
	w.tar = tar.NewWriter(writerFunc(w.pass))
	return w
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// pass writes what tar makes.
func (w *writer) pass(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.out.Write(p)
	w.sum.add(p[:n])
	w.pulse.moved(w.ctx, n)
	if err != nil {
		return n, fmt.Errorf("write the archive: %w", err)
	}
	return n, nil
}

func (w *writer) header(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.at.Truncate(time.Second)})
}

func (w *writer) entry(name string, data []byte) error {
	if err := w.header(name, int64(len(data))); err != nil {
		return err
	}
	_, err := w.tar.Write(data)
	return err
}

func (w *writer) object(name string, v any) error {
	data, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent(" "))
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if int64(len(data)) >= limit(name) {
		return fmt.Errorf("write %s: it has %d bytes, and an archive takes %d", name, len(data), limit(name))
	}
	return w.entry(name, append(data, '\n'))
}

func (w *writer) manifest(m manifest) error {
	w.at = m.At
	return w.object(manifestName, m)
}

// table returns what writes the rows of a table; the caller closes it, and
// writes nothing else before.
func (w *writer) table(name string) io.WriteCloser {
	p := &parts{to: w, name: name}
	p.gzip, _ = gzip.NewWriterLevel(&p.packed, gzip.BestSpeed) // fails for other levels only
	return p
}

// parts cuts a table into entries, each packed on its own.
type parts struct {
	to     *writer
	name   string
	packed bytes.Buffer
	gzip   *gzip.Writer
	raw    int
	number int
}

func (p *parts) Write(rows []byte) (int, error) {
	n, err := p.gzip.Write(rows)
	if p.raw += n; err == nil && p.raw > maxPart {
		err = fmt.Errorf("a row has %d bytes, and an archive takes %d", len(rows), maxPart-tablePart)
	}
	if err == nil && p.raw >= tablePart {
		err = p.Close()
	}
	return n, err
}

// Close ends a part.
func (p *parts) Close() error {
	if p.raw == 0 {
		return nil
	}
	if err := p.gzip.Close(); err != nil {
		return err
	}
	p.number++
	if err := p.to.entry(partName(p.name, p.number), p.packed.Bytes()); err != nil {
		return err
	}
	p.packed.Reset()
	p.gzip.Reset(&p.packed)
	p.raw = 0
	return nil
}

func partName(table string, number int) string {
	return fmt.Sprintf("%s%s/%05d.gz", tablesPrefix, table, number)
}

func sumsName(number int) string { return fmt.Sprintf("%s%05d", sumsPrefix, number) }

// file writes a file of size bytes and returns its SHA-256. When r has less,
// torn says why, and the entry is filled up with zeros: a tar has a file's size
// before its content.
func (w *writer) file(place, key string, size int64, r io.Reader) (sha string, torn, err error) {
	name := filesPrefix + place + "/" + key
	if err := w.header(name, size); err != nil {
		return "", nil, err
	}
	w.sum.muted = true
	h := sha256.New()
	for left := size; left > 0 && err == nil; {
		part := w.buf[:min(left, step)]
		n := 0
		if torn == nil {
			n, torn = r.Read(part)
			if errors.Is(torn, io.EOF) && int64(n) == left {
				torn = nil
			}
		}
		if torn != nil {
			clear(part[n:])
			n = len(part)
		}
		h.Write(part[:n])
		left -= int64(n)
		_, err = w.tar.Write(part[:n])
	}
	w.sum.muted = false
	if err != nil {
		return "", torn, err
	}
	w.pulse.files++
	sha = hexOf(h)
	fmt.Fprintf(&w.sums, "%s  %s\n", sha, name)
	if w.held++; w.held == sumsPart {
		err = w.flush()
	}
	return sha, torn, err
}

// flush writes the sums of the files since the last flush.
func (w *writer) flush() error {
	if w.held == 0 {
		return nil
	}
	w.parts++
	err := w.entry(sumsName(w.parts), w.sums.Bytes())
	w.held = 0
	w.sums.Reset()
	return err
}

// end writes what is left, the trailer and the sum of it all.
func (w *writer) end(t trailer) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.object(trailerName, t); err != nil {
		return err
	}
	if err := w.header(endName, endSize); err != nil {
		return err
	}
	if _, err := io.WriteString(w.tar, hexOf(w.sum)+"\n"); err != nil {
		return err
	}
	return w.tar.Close()
}

const endSize = 2*sha256.Size + 1
