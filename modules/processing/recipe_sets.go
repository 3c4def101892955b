package processing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/abema/go-mp4"
)

// parameterSets returns the SHA-256 of the H.264 parameter sets of a file that
// we encoded: what ffprobe calls the hash of its extradata, without the time
// that ffprobe needs to start.
func parameterSets(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open video: %w", err)
	}
	defer f.Close()
	way := mp4.BoxPath{}
	for _, kind := range []string{"moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1", "avcC"} {
		way = append(way, mp4.StrToBoxType(kind))
	}
	boxes, err := mp4.ExtractBox(f, nil, way)
	if err != nil {
		return "", fmt.Errorf("find parameter sets in %s: %w", path, err)
	}
	if len(boxes) != 1 {
		return "", fmt.Errorf("find parameter sets in %s: %d tracks have some", path, len(boxes))
	}
	sets := make([]byte, boxes[0].Size-boxes[0].HeaderSize)
	if _, err := f.ReadAt(sets, int64(boxes[0].Offset+boxes[0].HeaderSize)); err != nil { //nolint:gosec // inside the file
		return "", fmt.Errorf("read parameter sets of %s: %w", path, err)
	}
	sum := sha256.Sum256(sets)
	return hex.EncodeToString(sum[:]), nil
}
