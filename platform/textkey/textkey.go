// Package textkey normalises text that people type, so that equal words are
// stored and compared as equal bytes.
package textkey

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// NFC returns s in Unicode's composed form, in which all strings are stored.
func NFC(s string) string { return norm.NFC.String(s) }

// Fold returns s without case, accents and repeated white space: the key by
// which cities and titles are found ("  BOGOTÁ " and "bogota" fold alike).
func Fold(s string) string {
	// Transformers keep state and must not be shared between goroutines.
	accents := transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC)
	plain, _, err := transform.String(accents, cases.Fold().String(s))
	if err != nil { // only for a short destination, which transform.String never has
		plain = s
	}
	return strings.Join(strings.Fields(plain), " ")
}
