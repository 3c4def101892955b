package processing

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRasterise_LooksAlikeAtEverySize(t *testing.T) {
	t.Parallel()
	for name, svg := range map[string][]byte{"logo": logoSVG, "ground": groundSVG, "court": courtSVG, "stripe": wedgeSVG} {
		large, err := rasterise(svg, 512, 512)
		require.NoError(t, err)
		small, err := rasterise(svg, 128, 128)
		require.NoError(t, err)
		require.Less(t, meanDifference(quarter(large).Pix, small.Pix), 3.0, name)
	}
	_, err := rasterise([]byte("<svg"), 10, 10)
	require.Error(t, err)
}

func TestFlipped_MirrorsEitherWay(t *testing.T) {
	t.Parallel()
	p, err := rasterise(logoSVG, 20, 10)
	require.NoError(t, err)
	for _, way := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		out := flipped(p, way[0], way[1])
		require.Equal(t, p.Bounds(), out.Bounds())
		x, y := 3, 2
		if way[0] {
			x = 16
		}
		if way[1] {
			y = 7
		}
		require.Equal(t, p.RGBAAt(3, 2), out.RGBAAt(x, y))
		require.Equal(t, p.Pix, flipped(out, way[0], way[1]).Pix)
	}
}
