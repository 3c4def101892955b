package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"anb/platform/storage"
)

// files hands over all files, and compares them with their sums.
func (r *reader) files(s sink) (count, size int64, err error) {
	last := ""
	for {
		h, err := r.peek()
		if err != nil {
			return 0, 0, err
		}
		name, isFile := strings.CutPrefix(h.Name, filesPrefix)
		if !isFile && r.held == 0 {
			return count, size, nil
		}
		if !isFile || r.held == sumsPart {
			if err := r.compare(); err != nil {
				return 0, 0, err
			}
			continue
		}
		r.head = nil
		place, key, _ := strings.Cut(name, "/")
		if place != originals && place != processed || storage.CheckKey(key) != nil || h.Size < 0 {
			return 0, 0, r.damaged("it has a file %q", h.Name)
		}
		if h.Name <= last {
			return 0, 0, r.damaged("it has %q after %q", h.Name, last)
		}
		last = h.Name
		if err := r.file(s, place, key, h); err != nil {
			return 0, 0, err
		}
		count++
		size += h.Size
	}
}

func (r *reader) file(s sink, place, key string, h *tar.Header) error {
	sha := sha256.New()
	r.sum.muted = true
	defer func() { r.sum.muted = false }()
	content := readerFunc(func(p []byte) (int, error) {
		n, err := r.tar.Read(p)
		sha.Write(p[:n])
		if err != nil && !errors.Is(err, io.EOF) {
			err = r.damaged("%s: %v", h.Name, err)
		}
		return n, err
	})
	if err := s.file(r.ctx, place, key, h.Size, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil { // a sink reads it all
		return err
	}
	fmt.Fprintf(&r.sums, "%s  %s\n", hexOf(sha), h.Name)
	r.held++
	r.pulse.files++
	return nil
}

// compare reads the sums of the files since the last ones.
func (r *reader) compare() error {
	r.parts++
	name := sumsName(r.parts)
	data, err := r.whole(name, maxSums)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, r.sums.Bytes()) {
		want := slices.Collect(bytes.Lines(data))
		for i, line := range slices.Collect(bytes.Lines(r.sums.Bytes())) {
			if i >= len(want) || !bytes.Equal(line, want[i]) {
				return r.damaged("%s is not as it was", bytes.TrimSpace(line[2*sha256.Size:]))
			}
		}
		return r.damaged("%s has %d lines", name, len(want))
	}
	r.sums.Reset()
	r.held = 0
	return nil
}
