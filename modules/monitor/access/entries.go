package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"anb/platform/passwords"
)

// adminName is the user whose password is monitor.admin_password.
const adminName = "admin"

// The cost of a bcrypt hash: cheaper ones are weak, dearer ones take seconds.
const (
	minBcrypt = 10
	maxBcrypt = 15
)

// goodName keeps names readable in lists and logs.
var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// entry is one line of monitor.users or monitor.tokens.
type entry struct {
	name string
	role Role
	// proof is a password's hash, or a token's digest.
	proof string
}

// credential identifies the entry without giving its proof away: sessions keep
// it, so that another password or role ends them.
func (e entry) credential() string {
	return digest(e.line())
}

// line is how the entry is written in the configuration.
func (e entry) line() string { return e.name + ":" + string(e.role) + ":" + e.proof }

// parseEntries reads "name:role:proof", one a line; blank lines and those that
// begin with # count as none. The errors name lines and never quote them, for
// somebody may have written a password there.
func parseEntries(text string, check func(proof string) error) ([]entry, error) {
	var (
		out  []entry
		errs []error
	)
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			errs = append(errs, fmt.Errorf("line %d is not name:role:…", n))
			continue
		}
		e := entry{parts[0], Role(parts[1]), parts[2]}
		for problem := range problems(errors.Join(checkNew(e.name, e.role), check(e.proof))) {
			errs = append(errs, fmt.Errorf("line %d: %s", n, problem))
		}
		out = append(out, e)
	}
	return out, errors.Join(errs...)
}

// checkName says what is wrong with the name of a user or a token.
func checkName(name string) error {
	switch {
	case !goodName.MatchString(name):
		return errors.New("the name must be 1 to 64 letters, digits and . _ @ -, and begin with a letter or digit")
	case strings.EqualFold(name, localName):
		return fmt.Errorf("the name %s is taken: it is everybody's where there are no users", localName)
	}
	return nil
}

// checkHash says what is wrong with a user's hash.
func checkHash(hash string) error {
	if !strings.HasPrefix(hash, "$2") {
		if passwords.Check(hash) != nil {
			return errors.New(`the third part is neither an argon2id nor a bcrypt hash; "anb monitor hash-password" makes one`)
		}
		return nil
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return errors.New("the third part is not a whole bcrypt hash; in a variable, a shell or compose may have replaced its $")
	}
	if cost < minBcrypt || cost > maxBcrypt {
		return fmt.Errorf("the bcrypt hash has cost %d, not %d to %d", cost, minBcrypt, maxBcrypt)
	}
	return nil
}

// checkDigest says what is wrong with a token's digest.
func checkDigest(hexadecimal string) error {
	if b, err := hex.DecodeString(hexadecimal); err != nil || len(b) != sha256.Size || strings.ToLower(hexadecimal) != hexadecimal {
		return errors.New(`the third part is not a token's digest; "anb monitor token" makes one`)
	}
	return nil
}

// digest is the SHA-256 of s, hexadecimal.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
