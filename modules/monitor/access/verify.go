package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// How long, and how many, passwords that were right are remembered: a script
// that asks every few seconds does not make us hash each time.
const (
	provenAge  = time.Minute
	provenMost = 256
)

// maxBcryptBytes is what bcrypt looks at; it would ignore what follows.
const maxBcryptBytes = 72

// verify returns the user with that name and password. It fails with
// ErrCredentials, after the same work for unknown names, with ErrTooManyAttempts
// and with passwords.ErrBusy.
func (g *Guard) verify(ctx context.Context, address, name, password string) (entry, error) {
	attempt, wait := g.throttle.begin(name, address)
	if wait > 0 {
		return entry{}, ErrTooManyAttempts.After(wait)
	}
	e, known := g.users[name]
	if !known {
		e = g.anyone(name)
	}
	ok, err := g.matches(ctx, password, e.proof)
	switch {
	case err != nil:
		attempt.cancel()
		return entry{}, fmt.Errorf("check a password: %w", err)
	case !known || !ok:
		return entry{}, ErrCredentials
	}
	attempt.succeed()
	return e, nil
}

// anyone returns the user whose hash is worked on for an unknown name, always
// the same for one name: hashes of different costs would tell which names exist.
func (g *Guard) anyone(name string) entry {
	if len(g.order) == 0 {
		return entry{}
	}
	return g.order[binary.BigEndian.Uint64([]byte(g.mark(name, "")))%uint64(len(g.order))]
}

// matches tells whether hash is password's.
func (g *Guard) matches(ctx context.Context, password, hash string) (bool, error) {
	switch {
	case hash == "" || len(password) > maxPasswordBytes:
		return false, nil // nobody's, and not worth hashing
	case !strings.HasPrefix(hash, "$2"):
		ok, _, err := g.hashes.Verify(ctx, password, hash)
		return ok, err
	}
	done, err := g.hashes.Turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	short := password[:min(len(password), maxBcryptBytes)]
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(short)) == nil && short == password, nil
}

// mark is a digest of a name and a password that only this process can make.
func (g *Guard) mark(name, password string) string {
	h := hmac.New(sha256.New, g.key)
	_, _ = fmt.Fprintf(h, "%d:%s:%s", len(name), name, password) // a hash never fails
	return string(h.Sum(nil))
}

// proven remembers for a while whose password was right, by its mark.
type proven struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]proof
}

type proof struct {
	entry entry
	until time.Time
}

func newProven(now func() time.Time) *proven {
	return &proven{now: now, all: map[string]proof{}}
}

func (p *proven) get(mark string) (entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.all[mark]
	return one.entry, ok && p.now().Before(one.until)
}

func (p *proven) put(mark string, e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) >= provenMost {
		clear(p.all) // they live a minute: a rare full sweep is the simplest bound
	}
	p.all[mark] = proof{e, p.now().Add(provenAge)}
}
