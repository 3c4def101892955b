package auth

import (
	"context"

	"github.com/google/uuid"
)

// Player is what other modules copy of an account.
type Player struct {
	ID   uuid.UUID
	Name string // "First Last"
	City string // as typed
}

// Directory hears that a player's name or city changed and keeps its copies
// (city keys, search keys) equal; videos and rankings implement it. It takes
// part in the transaction that ctx carries, and its error undoes the change.
type Directory interface {
	PlayerChanged(ctx context.Context, p Player) error
}

// hashes makes and checks the hashes of passwords, as passwords.Hasher does.
type hashes interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, password, stored string) (ok, stale bool, err error)
	Dummy() string
}
