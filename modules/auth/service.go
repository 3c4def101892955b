package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/identity"
)

// Token is the proof of a login.
type Token struct {
	Access    string        // the bearer token
	ExpiresIn time.Duration // its life, whole seconds
}

// Signup creates an account with the role of a player. It fails with
// fault.ErrValidation, ErrPasswordsDiffer, ErrPasswordTooCommon or
// ErrEmailTaken, which name the fields at fault, and with ErrBusy.
func (m *Module) Signup(ctx context.Context, r Registration) (User, error) {
	r, fields := r.clean()
	if err := refusal(fields); err != nil {
		return User{}, err
	}
	// The index decides in the end; this saves hashing for most duplicates.
	switch _, _, err := m.store.byEmail(ctx, r.Email); {
	case err == nil:
		return User{}, ErrEmailTaken.With(ofField("email", ErrEmailTaken))
	case !errors.Is(err, ErrUserNotFound):
		return User{}, err
	}
	hash, err := m.hashes.Hash(ctx, r.Password1)
	if err != nil {
		return User{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return User{}, fmt.Errorf("make a user's id: %w", err)
	}
	u := User{
		ID: id, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, City: r.City, Country: r.Country,
		Role: identity.Player, Active: true, CreatedAt: database.At(m.now()).Time,
	}
	if err := m.store.insert(ctx, u, hash); err != nil {
		return User{}, err
	}
	m.log.InfoContext(ctx, "user signed up", slog.String("user_id", id.String()))
	return u, nil
}

// Login starts a session. It fails with ErrInvalidCredentials, after the same
// work, for an unknown address, a wrong password and a deactivated account,
// and with ErrBusy.
func (m *Module) Login(ctx context.Context, email, password string) (Token, error) {
	if len(password) > maxPasswordBytes {
		return Token{}, ErrInvalidCredentials // nobody's, and not worth hashing
	}
	var (
		u      User
		stored string
		err    = error(ErrUserNotFound)
	)
	if len(email) <= 2*maxEmail { // no longer one is stored
		u, stored, err = m.store.byEmail(ctx, email)
	}
	if err != nil && !errors.Is(err, ErrUserNotFound) {
		return Token{}, err
	}
	known := err == nil
	if !known {
		stored = m.hashes.Dummy()
	}
	ok, stale, err := m.hashes.Verify(ctx, password, stored)
	switch {
	case err != nil:
		return Token{}, fmt.Errorf("log in user %s: %w", u.ID, err)
	case !known || !ok || !u.Active:
		return Token{}, ErrInvalidCredentials
	}
	if stale {
		stored = m.rehash(ctx, u.ID, password, stored)
	}
	return m.start(ctx, u.ID, stored)
}

// rehash stores the password's hash at today's cost and returns the hash that
// is stored now. Failing is no reason to refuse a login: the next one tries again.
func (m *Module) rehash(ctx context.Context, id uuid.UUID, password, old string) string {
	hash, err := m.hashes.Hash(ctx, password)
	if err == nil {
		err = m.store.rehash(ctx, id, old, hash)
	}
	if err != nil {
		m.log.WarnContext(ctx, "password hash not renewed", slog.String("user_id", id.String()), slog.Any("error", err))
		return old
	}
	return hash
}

func (m *Module) start(ctx context.Context, userID uuid.UUID, hash string) (Token, error) {
	sessionID, err := uuid.NewV7()
	if err != nil {
		return Token{}, fmt.Errorf("make a session's id: %w", err)
	}
	access, err := m.tokens.issue(userID, sessionID)
	if err != nil {
		return Token{}, fmt.Errorf("sign token of user %s: %w", userID, err)
	}
	started, err := m.store.startSession(ctx, sessionID, userID, hash, m.tokens.ttl)
	if err != nil {
		return Token{}, err
	}
	if !started { // deactivated, or the password changed, just now
		return Token{}, ErrInvalidCredentials
	}
	return Token{Access: access, ExpiresIn: m.tokens.ttl}, nil
}

// Authenticate returns whose token it is, with the role that the account has
// now. It fails with fault.ErrUnauthenticated when the token is not ours or
// expired, its session ended, or the account is not active.
func (m *Module) Authenticate(ctx context.Context, token string) (identity.Principal, error) {
	userID, sessionID, err := m.tokens.parse(token)
	if err != nil {
		return identity.Principal{}, fault.ErrUnauthenticated.Because(err)
	}
	p, err := m.store.authenticate(ctx, sessionID)
	if err != nil {
		return identity.Principal{}, err
	}
	if p.UserID != userID {
		return identity.Principal{}, fault.ErrUnauthenticated.Because(errors.New("session of another user"))
	}
	return p, nil
}

// Profile returns a user; it fails with ErrUserNotFound.
func (m *Module) Profile(ctx context.Context, userID uuid.UUID) (User, error) {
	u, _, err := m.store.byID(ctx, userID)
	return u, err
}

// UpdateProfile changes a user's profile and tells the Directory in the same
// transaction. It fails with fault.ErrValidation, which names the fields, with
// ErrUserNotFound, and with the Directory's error.
func (m *Module) UpdateProfile(ctx context.Context, userID uuid.UUID, c Change) (User, error) {
	c, fields := c.clean()
	if err := refusal(fields); err != nil {
		return User{}, err
	}
	if c == (Change{}) {
		return m.Profile(ctx, userID)
	}
	return m.store.update(ctx, userID, m.now(), c.apply, func(ctx context.Context, before, after User) error {
		if before.Name() == after.Name() && before.City == after.City {
			return nil
		}
		if err := m.directory.PlayerChanged(ctx, Player{ID: after.ID, Name: after.Name(), City: after.City}); err != nil {
			return fmt.Errorf("tell that player %s changed: %w", after.ID, err)
		}
		return nil
	})
}

// Logout ends the session of p; its token is worth nothing afterwards.
func (m *Module) Logout(ctx context.Context, p identity.Principal) error {
	return m.store.endSession(ctx, p.SessionID)
}

// ChangePassword replaces the password of p and ends all of p's other
// sessions. It fails like Signup when the new one is not acceptable, and with
// fault.ErrValidation naming current_password when that one is wrong.
func (m *Module) ChangePassword(ctx context.Context, p identity.Principal, current, new1, new2 string) error {
	u, stored, err := m.store.byID(ctx, p.UserID)
	if err != nil {
		return err
	}
	var fields []fault.Field
	if current == "" {
		fields = append(fields, required("current_password"))
	}
	fields = append(fields, checkPasswords("new_password1", "new_password2", new1, new2, u.Email)...)
	if err := refusal(fields); err != nil {
		return err
	}
	ok := false
	if len(current) <= maxPasswordBytes {
		if ok, _, err = m.hashes.Verify(ctx, current, stored); err != nil {
			return fmt.Errorf("change password of user %s: %w", p.UserID, err)
		}
	}
	if !ok {
		return refusal([]fault.Field{wrongPassword()})
	}
	hash, err := m.hashes.Hash(ctx, new1)
	if err != nil {
		return err
	}
	set, err := m.store.setPassword(ctx, p.UserID, p.SessionID, stored, hash, m.now())
	if err != nil {
		return err
	}
	if !set { // somebody else was faster
		return refusal([]fault.Field{wrongPassword()})
	}
	m.log.InfoContext(ctx, "password changed", slog.String("user_id", p.UserID.String()))
	return nil
}

// Deactivate locks a user out and ends all sessions at once. It fails with
// ErrUserNotFound.
func (m *Module) Deactivate(ctx context.Context, userID uuid.UUID) error {
	if err := m.store.deactivate(ctx, userID, m.now()); err != nil {
		return err
	}
	m.log.InfoContext(ctx, "user deactivated", slog.String("user_id", userID.String()))
	return nil
}

// SweepSessions deletes expired sessions, a batch at a time, and returns how
// many. After an error, what was deleted before stays deleted.
func SweepSessions(ctx context.Context, d *database.DB) (int64, error) {
	var total int64
	for {
		n, err := store{d}.sweep(ctx)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}
