package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

const (
	saltBytes = 16
	keyBytes  = 32
	// What a stored hash may ask for at most: the database must not be able to
	// exhaust us.
	maxHashMemory     = 1 << 20 // KiB
	maxHashIterations = 16
	maxHashLanes      = 16
)

// cost is what a hash takes.
type cost struct {
	memory     uint32 // KiB
	iterations uint32
	lanes      uint8
}

// hasher makes and checks argon2id hashes, a limited number at once.
type hasher struct {
	cost   cost
	turns  chan struct{}
	wait   time.Duration
	dummy  string // a hash that no password has
	derive func(password, salt []byte, c cost, size uint32) []byte
	memory *memory
}

func newHasher(c Config) *hasher {
	h := &hasher{
		cost:   cost{c.HashMemory, c.HashIterations, 1},
		turns:  make(chan struct{}, c.HashParallel),
		wait:   c.HashWait,
		memory: newMemory(memoryRest, debug.FreeOSMemory),
		derive: func(password, salt []byte, c cost, size uint32) []byte {
			return argon2.IDKey(password, salt, c.iterations, c.memory, c.lanes, size)
		},
	}
	h.dummy = phc(h.cost, random(saltBytes), random(keyBytes))
	return h
}

// hash returns password's hash as a PHC string. It fails with ErrBusy when its
// turn does not come in time.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := random(saltBytes)
	key, err := h.run(ctx, password, salt, h.cost, keyBytes)
	if err != nil {
		return "", err
	}
	return phc(h.cost, salt, key), nil
}

// verify tells whether stored is password's hash, and whether it was made at
// another cost than today's. It fails with ErrBusy when its turn does not come
// in time, and with another error when stored is not a hash.
func (h *hasher) verify(ctx context.Context, password, stored string) (ok, stale bool, err error) {
	c, salt, want, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got, err := h.run(ctx, password, salt, c, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, c != h.cost || len(want) != keyBytes, nil
}

func (h *hasher) run(ctx context.Context, password string, salt []byte, c cost, size uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, ErrBusy.Because(err)
	}
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-timer.C:
		return nil, ErrBusy.Because(fmt.Errorf("no turn to hash within %s", h.wait))
	case <-ctx.Done():
		return nil, ErrBusy.Because(fmt.Errorf("wait for a turn to hash: %w", ctx.Err()))
	}
	h.memory.use()
	defer h.memory.release()
	return h.derive([]byte(password), salt, c, size), nil
}

// random returns n random bytes; crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func phc(c cost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.iterations, c.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errHash = errors.New("stored password hash is not a valid argon2id string")

func parsePHC(s string) (c cost, salt, key []byte, err error) {
	var version int
	var saltText string
	// Sscanf takes %s up to white space, so the two last parts come as one.
	n, err := fmt.Sscanf(s, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &c.memory, &c.iterations, &c.lanes, &saltText)
	if err != nil || n != 5 {
		return cost{}, nil, nil, errHash
	}
	saltText, keyText, ok := strings.Cut(saltText, "$")
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(saltText)
	key, err2 := b64.DecodeString(keyText)
	switch {
	case !ok, err1 != nil, err2 != nil, version != argon2.Version, len(salt) < 8, len(key) < 16, len(key) > 64,
		c.memory < 8, c.memory > maxHashMemory, c.iterations < 1, c.iterations > maxHashIterations,
		c.lanes < 1, c.lanes > maxHashLanes:
		return cost{}, nil, nil, errHash
	}
	return c, salt, key, nil
}
