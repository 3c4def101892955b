package ffmpegtest

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// Patched writes a changed copy of the file at path and returns its path.
func Patched(tb testing.TB, path string, change func([]byte) []byte) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("read clip to patch: %v", err)
	}
	return Write(tb, "patched.mp4", change(data))
}

// Box returns the bytes of the first box at a path such as
// "moov/trak/mdia/mdhd", with its header, to be read and changed in place. The
// entries of stsd are its children, the boxes of a video's entry that one's.
func Box(tb testing.TB, data []byte, path string) []byte {
	tb.Helper()
	places := boxes(tb, data, path)
	last := places[len(places)-1]
	return data[last.start:last.end]
}

// InsertBox appends child to the box at path and returns the longer file.
// Offsets of samples are not changed, so the index must be behind them.
func InsertBox(tb testing.TB, data []byte, path string, child []byte) []byte {
	tb.Helper()
	places := boxes(tb, data, path)
	end := places[len(places)-1].end
	grown := append(append(append([]byte{}, data[:end]...), child...), data[end:]...)
	for _, p := range places {
		size := binary.BigEndian.Uint32(grown[p.start:])
		binary.BigEndian.PutUint32(grown[p.start:], size+uint32(len(child))) //nolint:gosec // a few bytes
	}
	return grown
}

type span struct{ start, end int }

// boxes finds each box on the way to path.
func boxes(tb testing.TB, data []byte, path string) []span {
	tb.Helper()
	var found []span
	from, to := 0, len(data)
	for _, kind := range strings.Split(path, "/") {
		start, size := from, 0
		for ; start+8 <= to; start += size {
			size = int(binary.BigEndian.Uint32(data[start:]))
			if string(data[start+4:start+8]) == kind || size < 8 {
				break
			}
		}
		if start+8 > to || size < 8 {
			tb.Fatalf("no box %s of %s", kind, path)
		}
		found = append(found, span{start, start + size})
		from, to = start+8, start+size
		switch kind {
		case "stsd":
			from += 8
		case "avc1", "hvc1", "hev1", "mp4v":
			from += 78
		}
	}
	return found
}
