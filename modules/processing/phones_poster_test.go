package processing

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"
)

// posterErrors tells how far the colours of a poster are from the card's, as
// whoever decodes a JPEG sees them.
func posterErrors(t *testing.T, path string, w wanted) map[string]int {
	t.Helper()
	picture, err := jpeg.Decode(bytes.NewReader(readFile(t, path)))
	require.NoError(t, err)
	p, found := placed(w.aspect), map[string]int{}
	zoom := float64(picture.Bounds().Dx()) / testWidth
	for _, set := range [][]patch{cardCorners, cardPatches} {
		for _, patch := range set {
			r, g, b, _ := picture.At(int((p.left+patch.x*p.width)*zoom), int((p.top+patch.y*p.height)*zoom)).RGBA()
			found[patch.name] = pixel{int(r >> 8), int(g >> 8), int(b >> 8)}.away(patch.color)
		}
	}
	return found
}

// requirePoster looks at the poster of a video whose first half looks as w
// says.
func requirePoster(t *testing.T, path string, w wanted) {
	t.Helper()
	require.Empty(t, containsAny(readFile(t, path), w.secrets), "the poster tells")
	if w.before != 0 {
		w.aspect = w.before
	}
	var wrong []string
	for name, d := range posterErrors(t, path, w) {
		if d > w.tolerance {
			wrong = append(wrong, fmt.Sprintf("%s is %d off", name, d))
		}
	}
	require.Empty(t, wrong, "on the poster")
}
