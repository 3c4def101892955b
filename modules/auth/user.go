package auth

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"anb/platform/fault"
	"anb/platform/identity"
	"anb/platform/textkey"
)

// maxText is the length of a name, city or country, in runes.
const maxText = 100

// User is an account, without its password.
type User struct {
	ID        uuid.UUID
	Email     string // as typed; unique without regard to case
	FirstName string
	LastName  string
	City      string
	Country   string
	Role      identity.Role
	Active    bool
	CreatedAt time.Time // UTC, microseconds
}

// Name is how the public sees the user: "First Last".
func (u User) Name() string { return u.FirstName + " " + u.LastName }

// Registration is what somebody types to sign up.
type Registration struct {
	FirstName, LastName, Email, Password1, Password2, City, Country string
}

// clean returns r as it is stored, and what is wrong with it.
func (r Registration) clean() (Registration, []fault.Field) {
	var fields []fault.Field
	keep := func(name, text string) string {
		text, bad := cleanText(name, text)
		fields = append(fields, bad...)
		return text
	}
	r.FirstName = keep("first_name", r.FirstName)
	r.LastName = keep("last_name", r.LastName)
	r.Email = strings.TrimSpace(r.Email)
	switch {
	case r.Email == "":
		fields = append(fields, required("email"))
	case !validEmail(r.Email):
		fields = append(fields, badEmail())
	}
	fields = append(fields, checkPasswords("password1", "password2", r.Password1, r.Password2, r.Email)...)
	r.City = keep("city", r.City)
	r.Country = keep("country", r.Country)
	return r, fields
}

// Change is what a user changes of the profile; nil leaves a field as it is.
type Change struct {
	FirstName, LastName, City, Country *string
}

// clean returns c as it is stored, and what is wrong with it.
func (c Change) clean() (Change, []fault.Field) {
	var fields []fault.Field
	for _, f := range []struct {
		name string
		text **string
	}{{"first_name", &c.FirstName}, {"last_name", &c.LastName}, {"city", &c.City}, {"country", &c.Country}} {
		if *f.text == nil {
			continue
		}
		text, bad := cleanText(f.name, **f.text)
		*f.text, fields = &text, append(fields, bad...)
	}
	return c, fields
}

// apply returns u with the changes.
func (c Change) apply(u User) User {
	for _, f := range []struct{ to, from *string }{
		{&u.FirstName, c.FirstName}, {&u.LastName, c.LastName}, {&u.City, c.City}, {&u.Country, c.Country},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return u
}

// cleanText trims and composes a line of text that people will read, and tells
// what is wrong with it.
func cleanText(name, text string) (string, []fault.Field) {
	text = textkey.NFC(strings.TrimSpace(text))
	switch {
	case !strings.ContainsFunc(text, visible):
		return text, []fault.Field{required(name)}
	case strings.ContainsFunc(text, breaksLine):
		return text, []fault.Field{badCharacter(name)}
	case utf8.RuneCountInString(text) > maxText:
		return text, []fault.Field{tooLong(name, maxText)}
	}
	return text, nil
}

// breaksLine tells control characters and line separators.
func breaksLine(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }

// visible tells whether a reader would see r by itself. Of the letters and
// symbols, some fillers are blank.
func visible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800':
		return false
	}
	// A control character counts as seen here, so that it is refused as such.
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S, unicode.Co, unicode.Cc)
}
