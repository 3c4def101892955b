package access

import (
	"context"
	"slices"
)

// Role is what somebody may do.
type Role string

// The roles; each may do what those before it may.
const (
	Viewer   Role = "viewer"   // sees
	Operator Role = "operator" // also changes jobs, queues and workers
	Admin    Role = "admin"    // also sees what is redacted, and ends sessions
)

// roles are all of them, the weakest first.
func roles() []Role { return []Role{Viewer, Operator, Admin} }

// Known tells whether r is a role.
func (r Role) Known() bool { return slices.Contains(roles(), r) }

// Allows tells whether r may do what needs the role needed.
func (r Role) Allows(needed Role) bool {
	return r.Known() && needed.Known() && slices.Index(roles(), r) >= slices.Index(roles(), needed)
}

// How a caller proved who it is.
const (
	ViaSession = "session" // the cookie
	ViaBearer  = "bearer"  // a token
	ViaBasic   = "basic"   // a password or a token
	ViaLocal   = "local"   // nothing: a laptop without users
)

// localName is who everybody is where there are no users.
const localName = "local"

// Principal is who is calling.
type Principal struct {
	Name    string // as in the configuration
	Role    Role
	Via     string // one of the constants
	Address string // of the client
	Session string // the id of the session; empty unless Via is ViaSession
}

// caller is what was found out: who it is, or why that is not known.
type caller struct {
	principal Principal
	err       error
}

type callerKey struct{}

// With returns a context that carries p, as Require's does.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, callerKey{}, caller{principal: p})
}

// From returns who is calling, and false when that is not known.
func From(ctx context.Context) (Principal, bool) {
	c, ok := ctx.Value(callerKey{}).(caller)
	return c.principal, ok && c.err == nil
}
