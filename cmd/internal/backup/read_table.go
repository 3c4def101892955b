package backup

import (
	"compress/gzip"
	"errors"
	"io"
)

func (r *reader) table(s sink, of table) (int64, error) {
	p := &unpacker{r: r, table: of.Name}
	n, err := s.table(r.ctx, of, p)
	if err == nil && !p.ended {
		_, err = io.Copy(io.Discard, p)
	}
	return n, err
}

// unpacker reads the rows of a table from its parts.
type unpacker struct {
	r      *reader
	table  string
	number int
	gzip   *gzip.Reader
	inside bool // a part
	size   int64
	ended  bool
}

func (u *unpacker) Read(p []byte) (int, error) {
	for !u.ended {
		if !u.inside {
			if err := u.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := u.gzip.Read(p)
		if errors.Is(err, io.EOF) {
			u.inside, err = false, nil
		}
		if u.size += int64(n); err == nil && u.size > maxPart {
			err = errors.New("it unpacks to too much")
		}
		if err != nil {
			return n, u.r.damaged("%q: %v", partName(u.table, u.number), err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

func (u *unpacker) next() error {
	h, err := u.r.peek()
	if err != nil {
		return err
	}
	if h.Name != partName(u.table, u.number+1) {
		u.ended = true
		return nil
	}
	u.r.head = nil
	u.number++
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(u.r.tar)
	} else {
		err = u.gzip.Reset(u.r.tar)
	}
	if err != nil {
		return u.r.damaged("%q: %v", h.Name, err)
	}
	u.inside, u.size = true, 0
	return nil
}
