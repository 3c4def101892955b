package access

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"anb/platform/passwords"
)

// The limits of a password.
const (
	minPassword      = 12 // runes
	maxPasswordBytes = 512
)

//go:embed assets/own_words.txt
var ownWords string

// CheckPassword says why password is too weak for the user called name. It
// never quotes it.
func CheckPassword(name, password string) error {
	lower := strings.ToLower(password)
	switch n := utf8.RuneCountInString(password); {
	case strings.EqualFold(password, name):
		return errors.New("the password is the name")
	case n < minPassword:
		return fmt.Errorf("the password has %d characters and needs at least %d", n, minPassword)
	case len(password) > maxPasswordBytes:
		return fmt.Errorf("the password has more than %d bytes", maxPasswordBytes)
	case !utf8.ValidString(password) || strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password has characters that nobody can type")
	case common(lower), common(unit(lower)), common(strings.ReplaceAll(lower, strings.ToLower(name), "")), joined(lower):
		return errors.New("the password is among those that are tried first")
	}
	return nil
}

// common tells whether little is left of a password without what attackers
// have in their lists.
func common(lower string) bool {
	return utf8.RuneCountInString(lower) < minPassword/2 || passwords.Common(lower, ownWords)
}

// joined tells whether s is two or three common words with signs between, such
// as user:pass.
func joined(s string) bool {
	words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return len(words) <= 3 && !slices.ContainsFunc(words, func(w string) bool { return !passwords.Common(w, ownWords) })
}

// unit is what s repeats, such as "abc" of "abcabcabcabc"; else s itself.
func unit(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if len(s)%n == 0 && strings.Repeat(s[:n], len(s)/n) == s {
			return s[:n]
		}
	}
	return s
}
