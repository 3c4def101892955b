package auth

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"anb/platform/fault"
)

// The limits of a password. They are checked before hashing, so that nobody
// makes us hash megabytes.
const (
	minPassword      = 8    // runes
	maxPassword      = 128  // runes
	maxPasswordBytes = 1024 // 128 runes have at most 512
	// maxDecoration is how many digits and symbols around a common word still
	// leave it common: anb2025!, password1.
	maxDecoration = 6
)

//go:embed assets/common_passwords.txt
var commonPasswords string

// checkPasswords tells what is wrong with a new password and its repetition.
// There are no rules of composition, and nothing is trimmed or normalised.
func checkPasswords(name1, name2, password1, password2, email string) []fault.Field {
	var fields []fault.Field
	n := utf8.RuneCountInString(password1)
	switch {
	case password1 == "":
		fields = append(fields, required(name1))
	case n < minPassword:
		fields = append(fields, tooShort(name1, minPassword))
	case n > maxPassword || len(password1) > maxPasswordBytes:
		fields = append(fields, tooLong(name1, maxPassword))
	case common(password1) || email != "" && strings.EqualFold(password1, email):
		fields = append(fields, ofField(name1, ErrPasswordTooCommon))
	}
	switch {
	case password2 == "":
		fields = append(fields, required(name2))
	case password1 != "" && password1 != password2:
		fields = append(fields, ofField(name2, ErrPasswordsDiffer))
	}
	return fields
}

// common tells whether a password is among those that are tried first: in the
// list, or a word of the list with a few digits and symbols put to it, or with
// letters written as such ("p@ssw0rd").
func common(password string) bool {
	lower := strings.ToLower(password)
	plain := letters(lower)
	decorated := utf8.RuneCountInString(lower)-utf8.RuneCountInString(plain) <= maxDecoration
	words := []string{plain}
	for _, trim := range []func(string, func(rune) bool) string{untrimmed, strings.TrimLeftFunc, strings.TrimRightFunc, strings.TrimFunc} {
		words = append(words, letters(leet.Replace(trim(lower, notLetter))))
	}
	for line := range strings.Lines(commonPasswords) {
		switch entry := strings.TrimSpace(line); {
		case entry == "" || entry[0] == '#':
		case entry == lower, decorated && slices.Contains(words, entry):
			return true
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
