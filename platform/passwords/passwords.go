// Package passwords makes and checks argon2id hashes, a limited number at
// once, and knows the passwords that are tried first.
package passwords

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/crypto/argon2"

	"anb/platform/fault"
)

const (
	saltBytes = 16
	keyBytes  = 32
)

// ErrBusy says that the turn to hash did not come in time.
var ErrBusy = fault.New(fault.Unavailable, "BUSY", "Hay demasiadas solicitudes en este momento. Intenta de nuevo en unos segundos.").After(2 * time.Second)

// Cost is what a hash takes.
type Cost struct {
	Memory     uint32 // KiB
	Iterations uint32 // passes over that memory
	Lanes      uint8
}

// Standard returns the cost that OWASP recommends.
func Standard() Cost { return Cost{Memory: 19456, Iterations: 2, Lanes: 1} }

// Hash returns password's hash as a PHC string, with salt, or with a random
// one if that is nil. It waits for no turn: for commands and for the start.
func (c Cost) Hash(password string, salt []byte) string {
	if salt == nil {
		salt = random(saltBytes)
	}
	return phc(c, salt, c.derive(password, salt, keyBytes))
}

func (c Cost) derive(password string, salt []byte, size uint32) []byte {
	return argon2.IDKey([]byte(password), salt, c.Iterations, c.Memory, c.Lanes, size)
}

// Config shapes a Hasher.
type Config struct {
	Cost     Cost
	Parallel int           // hashes at once; near the number of cores
	Wait     time.Duration // for a turn to hash; longer is ErrBusy
}

// Hasher makes and checks hashes, a limited number at once. It is safe for
// concurrent use.
type Hasher struct {
	cost   Cost
	turns  chan struct{}
	wait   time.Duration
	dummy  string
	derive func(c Cost, password string, salt []byte, size uint32) []byte
	memory *memory
}

// New returns a Hasher that makes hashes at the cost of c.
func New(c Config) *Hasher {
	return &Hasher{
		cost:   c.Cost,
		turns:  make(chan struct{}, c.Parallel),
		wait:   c.Wait,
		dummy:  phc(c.Cost, random(saltBytes), random(keyBytes)),
		derive: Cost.derive,
		memory: newMemory(memoryRest, debug.FreeOSMemory),
	}
}

// Dummy returns a hash that no password has; verifying it takes as long as
// verifying one of today's.
func (h *Hasher) Dummy() string { return h.dummy }

// Hash returns password's hash as a PHC string. It fails with ErrBusy when its
// turn does not come in time.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := random(saltBytes)
	key, err := h.run(ctx, password, salt, h.cost, keyBytes)
	if err != nil {
		return "", err
	}
	return phc(h.cost, salt, key), nil
}

// Verify tells whether stored is password's hash, and whether it was made at
// another cost than today's. It fails with ErrBusy when its turn does not come
// in time, and with ErrHash when stored is not a hash.
func (h *Hasher) Verify(ctx context.Context, password, stored string) (ok, stale bool, err error) {
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

// Turn waits for a turn to do something as costly as a hash; the caller calls
// done. It fails with ErrBusy when the turn does not come in time.
func (h *Hasher) Turn(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, ErrBusy.Because(err)
	}
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-timer.C:
		return nil, ErrBusy.Because(fmt.Errorf("no turn to hash within %s", h.wait))
	case <-ctx.Done():
		return nil, ErrBusy.Because(fmt.Errorf("wait for a turn to hash: %w", ctx.Err()))
	}
}

func (h *Hasher) run(ctx context.Context, password string, salt []byte, c Cost, size uint32) ([]byte, error) {
	done, err := h.Turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	h.memory.use()
	defer h.memory.release()
	return h.derive(c, password, salt, size), nil
}

// random returns n random bytes; crypto/rand never fails.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
