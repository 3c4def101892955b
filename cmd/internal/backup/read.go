package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"anb/platform/storage"
)

// What an entry may have at most, in bytes.
const (
	maxManifest = 1 << 20
	maxTrailer  = 64 << 20
	maxSums     = 1 << 20
	maxPart     = 64 << 20 // unpacked: tablePart and one row more
)

// limit is how many bytes an object may have.
func limit(name string) int64 {
	if name == manifestName {
		return maxManifest
	}
	return maxTrailer
}

// sink takes what an archive has, in its order. Nothing of it can be relied on
// before read has returned without an error.
type sink interface {
	begin(ctx context.Context, m manifest) error
	// table reads all rows and returns how many there were.
	table(ctx context.Context, t table, rows io.Reader) (int64, error)
	// loaded comes after the last table.
	loaded(ctx context.Context) error
	// file reads the size bytes of content. The key keeps to storage's rules, and
	// keys of a place rise.
	file(ctx context.Context, place, key string, size int64, content io.Reader) error
}

// read hands an archive to s, and returns its trailer once all of it is known
// to be whole. It fails with ErrDamaged, ErrVersion, or what s failed with.
func read(ctx context.Context, src io.Reader, p *pulse, s sink) (manifest, trailer, error) {
	r := &reader{ctx: ctx, src: src, sum: newSum(), pulse: p}
	r.tar = tar.NewReader(readerFunc(r.pass))
	m, t, err := r.all(s)
	// What a sink says of an archive that could not be read matters less.
	if r.broken != nil {
		err = r.broken
	}
	return m, t, err
}

// reader reads an archive from src.
type reader struct {
	ctx    context.Context // of the whole archive; io.Reader has none
	src    io.Reader
	sum    *sum
	pulse  *pulse
	tar    *tar.Reader
	head   *tar.Header // the entry that comes next; nil: it is not yet known
	failed error       // of src
	broken error       // the first error of reading

	sums  bytes.Buffer // of files since the last entry of sums
	held  int
	parts int
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// pass reads for tar.
func (r *reader) pass(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		r.failed = err
		return 0, err
	}
	n, err := r.src.Read(p)
	r.sum.add(p[:n])
	r.pulse.moved(r.ctx, n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = fmt.Errorf("read the archive: %w", err)
	}
	return n, err
}

// damaged notes and returns what is wrong with the archive.
func (r *reader) damaged(format string, args ...any) error {
	switch {
	case r.broken != nil:
	case r.failed != nil:
		r.broken = r.failed
	case r.ctx.Err() != nil:
		r.broken = r.ctx.Err()
	default:
		r.broken = fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
	}
	return r.broken
}

func (r *reader) all(s sink) (m manifest, t trailer, err error) {
	if err := r.object(manifestName, &m); err != nil {
		return m, t, err
	}
	if m.Format != format {
		return m, t, fmt.Errorf("%w: it reads archives of format %d and this is of format %d, made by %q", ErrVersion, format, m.Format, m.Program)
	}
	if err := s.begin(r.ctx, m); err != nil {
		return m, t, err
	}
	rows := map[string]int64{}
	for _, of := range m.Tables {
		if _, twice := rows[of.Name]; twice {
			return m, t, r.damaged("it has table %q twice", of.Name)
		}
		if rows[of.Name], err = r.table(s, of); err != nil {
			return m, t, err
		}
	}
	if err := s.loaded(r.ctx); err != nil {
		return m, t, err
	}
	count, size, err := r.files(s)
	if err != nil {
		return m, t, err
	}
	if err := r.object(trailerName, &t); err != nil {
		return m, t, err
	}
	for _, f := range t.Flaws {
		known := f.State == missing || f.State == unreadable || f.State == other
		if f.Place != originals && f.Place != processed || storage.CheckKey(f.Key) != nil || !known {
			return m, t, r.damaged("its trailer has a flaw %q of %q %q", f.State, f.Place, f.Key)
		}
	}
	for name, n := range rows {
		if was, ok := t.Rows[name]; !ok || was != n || len(rows) != len(t.Rows) {
			return m, t, r.damaged("table %q has %d rows instead of %d", name, n, was)
		}
	}
	if count != t.Files || size != t.Bytes {
		return m, t, r.damaged("it has %d files of %d bytes instead of %d of %d", count, size, t.Files, t.Bytes)
	}
	return m, t, r.end()
}

// peek looks at the entry that comes next.
func (r *reader) peek() (*tar.Header, error) {
	if r.head != nil {
		return r.head, nil
	}
	h, err := r.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, r.damaged("it ends too early")
	case err != nil:
		return nil, r.damaged("%v", err)
	case h.Typeflag != tar.TypeReg:
		return nil, r.damaged("%q is not a plain file", h.Name)
	}
	for k := range h.PAXRecords {
		if k != "path" && k != "size" {
			return nil, r.damaged("%q has a record %q", h.Name, k)
		}
	}
	r.head = h
	return h, nil
}

// whole reads the entry that comes next, which must have this name.
func (r *reader) whole(name string, limit int64) ([]byte, error) {
	h, err := r.peek()
	if err != nil {
		return nil, err
	}
	if h.Name != name {
		return nil, r.damaged("%q is where %s should be", h.Name, name)
	}
	if h.Size > limit {
		return nil, r.damaged("%s has %d bytes", name, h.Size)
	}
	r.head = nil
	data, err := io.ReadAll(r.tar)
	if err != nil {
		return nil, r.damaged("%s: %v", name, err)
	}
	return data, nil
}

func (r *reader) object(name string, v any) error {
	data, err := r.whole(name, limit(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return r.damaged("%s: %v", name, err)
	}
	return nil
}

// end reads the sum of it all, after which there must be nothing.
func (r *reader) end() error {
	if h, err := r.peek(); err != nil {
		return err
	} else if h.Name != endName || h.Size != endSize {
		return r.damaged("%q is where its end should be", h.Name)
	}
	sum := hexOf(r.sum) + "\n"
	if data, err := r.whole(endName, endSize); err != nil {
		return err
	} else if string(data) != sum {
		return r.damaged("it is not as it was")
	}
	// What fills the last block, and tar's two empty ones.
	const rest = (512 - endSize%512) + 2*512
	tail, err := io.ReadAll(io.LimitReader(readerFunc(r.pass), rest+1))
	if err != nil || len(tail) != rest || len(bytes.Trim(tail, "\x00")) > 0 {
		return r.damaged("something is wrong with its last bytes")
	}
	return nil
}
