package auth

import (
	_ "embed"
	"strings"
	"unicode/utf8"

	"anb/platform/fault"
	"anb/platform/passwords"
)

// The limits of a password. They are checked before hashing, so that nobody
// makes us hash megabytes.
const (
	minPassword      = 8    // runes
	maxPassword      = 128  // runes
	maxPasswordBytes = 1024 // 128 runes have at most 512
)

//go:embed assets/own_words.txt
var ownWords string

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
	case passwords.Common(password1, ownWords) || email != "" && strings.EqualFold(password1, email):
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
