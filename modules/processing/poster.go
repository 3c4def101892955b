package processing

import (
	"fmt"
	"time"
)

const (
	posterWidth = 640 // pixels
	// posterDelay is how long after the opening card the poster's picture is:
	// the first moment of a clip is often blurred.
	posterDelay = 500 * time.Millisecond
)

// posterFilter takes one of frames pictures and goes on with all of them. A
// JPEG has no words for its colours: readers take them for BT.601 in full
// range.
func (c EncoderConfig) posterFilter(frames int64) string {
	at := min(c.frames(posterDelay), frames/4)
	return fmt.Sprintf("split[o][q];[q]select=eq(n\\,%d),scale=%d:-2:out_color_matrix=bt601:out_range=pc,format=yuvj420p[p];[o]", at, posterWidth)
}

// posterArgs are a further output of a graph with posterFilter.
func posterArgs(out string) []string {
	return []string{"-map", "[p]", "-frames:v", "1", "-q:v", "4", "-threads", "1",
		"-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-f", "image2", "-update", "1", "-y", out}
}
