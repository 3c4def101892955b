package processing

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asSeen writes light of a screen in HDR, as BT.2100 tells, and returns what
// ours makes of it, of 255.
func asSeen(light [3]float64, transfer string) [3]float64 {
	var signal [3]float64
	for i, raw := 0, encodeWide(light, transfer); i < 3; i++ {
		signal[i] = float64(binary.LittleEndian.Uint16(raw[2*i:])) / 65535
	}
	c := ordinary(signal, transfer)
	for i := range c {
		c[i] *= 255
	}
	return c
}

func TestOrdinary_KeepsWhatAnOrdinaryScreenCanShow(t *testing.T) {
	t.Parallel()
	for _, transfer := range []string{"smpte2084", "arib-std-b67"} {
		for _, set := range [][]patch{cardCorners, cardPatches} {
			for _, p := range set {
				var signal [3]float64
				for i, raw := 0, wideColour(transfer)(p.color); i < 3; i++ {
					signal[i] = float64(binary.LittleEndian.Uint16(raw[2*i:])) / 65535
				}
				got, within := ordinary(signal, transfer), 1.0
				if p.name == "white" {
					within = 12 // it makes room for what is lighter
				}
				for i := range got {
					require.InDelta(t, p.color[i], got[i]*255, within, "%s of %s in %s", []string{"red", "green", "blue"}[i], p.name, transfer)
				}
			}
		}
		require.Equal(t, [3]float64{}, ordinary([3]float64{}, transfer), "black")
	}
}

func TestOrdinary_RollsOffAboveWhite(t *testing.T) {
	t.Parallel()
	hues := map[string][3]float64{"white": {1, 1, 1}, "a lamp": {1, 0.5, 0.2}, "the sky": {0.4, 0.6, 1}}
	for _, transfer := range []string{"smpte2084", "arib-std-b67"} {
		for name, hue := range hues {
			last := [3]float64{}
			for _, nits := range []float64{100, 203, 300, 400, 600, 800, 1000} {
				got := asSeen([3]float64{hue[0] * nits, hue[1] * nits, hue[2] * nits}, transfer)
				most := max(got[0], got[1], got[2])
				require.Greater(t, most, max(last[0], last[1], last[2]), "%s of %g in %s is lighter", name, nits, transfer)
				for i := range got {
					require.InDelta(t, hue[i], math.Pow(got[i]/most, 2.4), 0.03, "%s of %g in %s keeps its hue", name, nits, transfer)
				}
				last = got
			}
			require.InDelta(t, 255, max(last[0], last[1], last[2]), 1, "%s: the lightest light is white's", name)
		}
	}
}

func TestCube_HasEveryPoint(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(string(cube("arib-std-b67"))), "\n")
	require.Len(t, lines, 1+cubeSize*cubeSize*cubeSize)
	require.Equal(t, "0.00000 0.00000 0.00000", lines[1])
	require.Equal(t, "1.00000 0.99996 0.99992", lines[len(lines)-1], "white, but for rounding of the matrices")
	require.ErrorContains(t, writeCube("/no/such/folder/x", "smpte2084"), "write table of colours")
}
