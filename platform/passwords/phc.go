package passwords

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a stored hash may ask for at most: whoever stores it must not be able
// to exhaust us.
const (
	MaxMemory     = 1 << 20 // KiB
	MaxIterations = 16
	maxLanes      = 16
)

// ErrHash says that a stored hash is none of argon2id.
var ErrHash = errors.New("stored password hash is not a valid argon2id string")

// Check fails with ErrHash unless stored is a hash that Verify can check.
func Check(stored string) error {
	_, _, _, err := parsePHC(stored)
	return err
}

func phc(c Cost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Iterations, c.Lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

func parsePHC(s string) (c Cost, salt, key []byte, err error) {
	var version int
	var saltText string
	// Sscanf takes %s up to white space, so the two last parts come as one.
	n, err := fmt.Sscanf(s, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &c.Memory, &c.Iterations, &c.Lanes, &saltText)
	if err != nil || n != 5 {
		return Cost{}, nil, nil, ErrHash
	}
	saltText, keyText, ok := strings.Cut(saltText, "$")
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(saltText)
	key, err2 := b64.DecodeString(keyText)
	switch {
	case !ok, err1 != nil, err2 != nil, version != argon2.Version, len(salt) < 8, len(key) < 16, len(key) > 64,
		c.Memory < 8, c.Memory > MaxMemory, c.Iterations < 1, c.Iterations > MaxIterations,
		c.Lanes < 1, c.Lanes > maxLanes:
		return Cost{}, nil, nil, ErrHash
	}
	return c, salt, key, nil
}
