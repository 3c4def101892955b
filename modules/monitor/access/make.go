package access

import (
	"crypto/rand"
	"encoding/base64"
	"errors"

	"anb/platform/passwords"
)

// tokenPrefix lets people and scanners recognise a token that lies around.
const tokenPrefix = "anbm_"

// NewUser returns the line of monitor.users for a user with that password. It
// fails when the name, the role or the password is not acceptable.
func NewUser(name string, role Role, password string) (line string, err error) {
	if err := checkNew(name, role); err != nil {
		return "", err
	}
	if err := CheckPassword(name, password); err != nil {
		return "", err
	}
	return entry{name, role, passwords.Standard().Hash(password, nil)}.line(), nil
}

// NewToken makes a token of 256 random bits and returns it with its line of
// monitor.tokens, from which the token cannot be found again. It fails when the
// name or the role is not acceptable.
func NewToken(name string, role Role) (token, line string, err error) {
	if err := checkNew(name, role); err != nil {
		return "", "", err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return token, entry{name, role, digest(token)}.line(), nil
}

func checkNew(name string, role Role) error {
	err := checkName(name)
	if !role.Known() {
		err = errors.Join(err, errRole)
	}
	return err
}

var errRole = errors.New("the role is not viewer, operator or admin")
