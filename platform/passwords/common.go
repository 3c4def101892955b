package passwords

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDecoration is how many digits and symbols around a common word still
// leave it common: anb2025!, password1.
const maxDecoration = 6

//go:embed assets/common.txt
var commonPasswords string

// Common tells whether a password is among those that are tried first: in the
// list or in more, which has words in lower case, one a line; or a word of them
// with a few digits and symbols put to it, or with letters written as such
// ("p@ssw0rd").
func Common(password, more string) bool {
	lower := strings.ToLower(password)
	plain := letters(lower)
	decorated := utf8.RuneCountInString(lower)-utf8.RuneCountInString(plain) <= maxDecoration
	words := []string{plain}
	for _, trim := range []func(string, func(rune) bool) string{untrimmed, strings.TrimLeftFunc, strings.TrimRightFunc, strings.TrimFunc} {
		words = append(words, letters(leet.Replace(trim(lower, notLetter))))
	}
	for _, list := range []string{more, commonPasswords} {
		for line := range strings.Lines(list) {
			switch entry := strings.TrimSpace(line); {
			case entry == "" || entry[0] == '#':
			case entry == lower, decorated && slices.Contains(words, entry):
				return true
			}
		}
	}
	return false
}

var leet = strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t")

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

func untrimmed(s string, _ func(rune) bool) string { return s }

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if notLetter(r) {
			return -1
		}
		return r
	}, s)
}
