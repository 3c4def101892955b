package textkey_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/textkey"
)

func TestFold_FindsTheSameWordHoweverItIsTyped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Bogotá":                "bogota",
		"BOGOTA\u0301":          "bogota",
		"  bogotá \t D.C. ":     "bogota d.c.",
		"Peña":                  "pena",
		"STRASSE":               "strasse",
		"Straße":                "strasse",
		"李小龍":                   "李小龍",
		"":                      "",
		"\u00a0San\u00a0Andrés": "san andres",
	} {
		require.Equal(t, want, textkey.Fold(in), "%q", in)
	}
}

func TestNFC_MakesComposedAndDecomposedEqual(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Zoë", textkey.NFC("Zoe\u0308"))
	require.Equal(t, "Zoë", textkey.NFC("Zoë"))
}
