package processing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// checkLayout reports whether the MP4 at path is whole and can be played while
// it is still being downloaded: its top-level boxes fill it to the last byte,
// and the index (moov) comes before the pictures (mdat).
func checkLayout(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open video: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at video: %w", err)
	}
	kinds, err := topBoxes(f, stat.Size())
	if err != nil {
		return fmt.Errorf("read boxes: %w", err)
	}
	index, pictures := slices.Index(kinds, "moov"), slices.Index(kinds, "mdat")
	switch {
	case len(kinds) == 0 || kinds[0] != "ftyp":
		return fmt.Errorf("boxes %v do not begin with ftyp", kinds)
	case index < 0 || pictures < 0:
		return fmt.Errorf("boxes %v lack moov or mdat", kinds)
	case index > pictures:
		return errors.New("moov comes after mdat")
	}
	return nil
}

// topBoxes lists the kinds of the top-level boxes; they must end at size.
func topBoxes(r io.ReaderAt, size int64) ([]string, error) {
	const most = 64
	var kinds []string
	for at := int64(0); at < size; {
		var head [16]byte
		if _, err := r.ReadAt(head[:8], at); err != nil {
			return kinds, fmt.Errorf("at %d: %w", at, err)
		}
		length, least := int64(binary.BigEndian.Uint32(head[:4])), int64(8)
		switch length {
		case 0: // to the end of the file
			length = size - at
		case 1: // 64 bits follow
			if _, err := r.ReadAt(head[8:], at+8); err != nil {
				return kinds, fmt.Errorf("at %d: %w", at, err)
			}
			length, least = int64(binary.BigEndian.Uint64(head[8:])), 16 //nolint:gosec // negative is refused below
		}
		kind := string(head[4:8])
		if length < least || length > size-at {
			return kinds, fmt.Errorf("box %q at %d has %d bytes, the file ends at %d", kind, at, length, size)
		}
		if kinds = append(kinds, kind); len(kinds) > most {
			return kinds, fmt.Errorf("more than %d boxes", most)
		}
		at += length
	}
	return kinds, nil
}
