// Package identity carries who is calling through a context.
package identity

import (
	"context"

	"github.com/google/uuid"
)

// Role is what an account may do.
type Role string

// The roles. Players and voters are the same: any registered account.
const (
	Player Role = "player"
	Jury   Role = "jury"
	Admin  Role = "admin"
)

// Principal is an authenticated caller.
type Principal struct {
	UserID    uuid.UUID
	SessionID uuid.UUID // the token's jti; ending it ends the token
	Role      Role
}

type key struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// From returns the caller, and false when the request is anonymous.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(key{}).(Principal)
	return p, ok
}
