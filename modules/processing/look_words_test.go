package processing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/math/fixed"
)

func TestLegible_KeepsWhatTheTypefaceCanDraw(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"José Ñúñez":                "José Ñúñez",
		"Jose\u0301  Nun\u0303ez\n": "José Nuñez", // composed, one space
		"Ana\x00\u202E\u200D Díaz":  "Ana Díaz",   // nothing invisible
		"Wałęsa, O’Neil & Żółć":     "Wałęsa, O’Neil & Żółć",
		"Дмитрий Ωμέγα":             "Дмитрий Ωμέγα",
		"李小龍":                       "",
		"محمد":                      "",
		"Ana 🏀":                     "",
		"x\u0323\u0301":             "", // no such letter: marks would stand beside
		"broken \xff\xfe utf":       "broken utf",
		" \t ":                      "",
		"%{pts}':x=0,drawtext=[in]": "%{pts}':x=0,drawtext=[in]", // only pixels
	} {
		got, err := legible(in)
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", in)
	}
}

func TestWords_ShrinkAndAreThenCut(t *testing.T) {
	t.Parallel()
	width := func(w words) fixed.Int26_6 {
		face, err := typeface(w.size)
		require.NoError(t, err)
		defer face.Close()
		return w.width(face)
	}
	for _, tt := range []struct {
		text       string
		cut, small bool
	}{{"Ana Díaz", false, false}, {strings.Repeat("Ana ", 8), false, true}, {strings.Repeat("Wanda ", 60), true, true}, {strings.Repeat("W", 600), true, true}, {"", false, false}} {
		w, err := words{tt.text, 64, 1, paper}.fitted(1000, 44)
		require.NoError(t, err)
		require.LessOrEqual(t, width(w), fixed.I(1000), tt.text)
		require.Equal(t, tt.cut, strings.HasSuffix(w.text, "…"), w.text)
		require.Equal(t, tt.small, w.size < 64)
		require.GreaterOrEqual(t, w.size, 43.99)
		require.NotContains(t, w.text, " …")
	}
}
