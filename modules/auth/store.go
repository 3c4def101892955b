package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/identity"
	"anb/platform/textkey"
)

// sweepBatch is how many expired sessions one statement deletes.
const sweepBatch = 500

// store keeps users and sessions.
type store struct{ db *database.DB }

type userRow struct {
	ID           uuid.UUID
	Email        string
	EmailKey     string
	PasswordHash string
	FirstName    string
	LastName     string
	City         string
	CityKey      string
	Country      string
	Role         string
	IsActive     bool
	CreatedAt    database.Time
	UpdatedAt    database.Time
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() User {
	return User{
		ID: r.ID, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, City: r.City, Country: r.Country,
		Role: identity.Role(r.Role), Active: r.IsActive, CreatedAt: r.CreatedAt.Time,
	}
}

// insert adds u; it fails with ErrEmailTaken when somebody has the address.
func (s store) insert(ctx context.Context, u User, hash string) error {
	err := s.db.Write(ctx).Create(&userRow{
		ID: u.ID, Email: u.Email, EmailKey: emailKey(u.Email), PasswordHash: hash,
		FirstName: u.FirstName, LastName: u.LastName, City: u.City, CityKey: textkey.Fold(u.City), Country: u.Country,
		Role: string(u.Role), IsActive: u.Active, CreatedAt: database.At(u.CreatedAt), UpdatedAt: database.At(u.CreatedAt),
	}).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return ErrEmailTaken.With(ofField("email", ErrEmailTaken))
	}
	if err != nil {
		return fmt.Errorf("insert user %s: %w", u.ID, err)
	}
	return nil
}

// byEmail returns the user with that address and the password's hash;
// ErrUserNotFound if there is none.
func (s store) byEmail(ctx context.Context, email string) (User, string, error) {
	return one(s.db.Read(ctx).Where("email_key = ?", emailKey(email)))
}

// byID returns a user and the password's hash; ErrUserNotFound if there is none.
func (s store) byID(ctx context.Context, id uuid.UUID) (User, string, error) {
	return one(s.db.Read(ctx).Where("id = ?", id))
}

func one(q *gorm.DB) (User, string, error) {
	var r userRow
	err := q.Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return User{}, "", ErrUserNotFound
	}
	if err != nil {
		return User{}, "", fmt.Errorf("read user: %w", err)
	}
	return r.user(), r.PasswordHash, nil
}

// update locks a user, applies change and writes what came of it, and passes
// that to also in the same transaction.
func (s store) update(ctx context.Context, id uuid.UUID, now time.Time, change func(User) User, also func(ctx context.Context, before, after User) error) (User, error) {
	var after User
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		before, _, err := one(s.lock(s.db.Write(ctx)).Where("id = ?", id))
		if err != nil {
			return err
		}
		after = change(before)
		err = s.db.Write(ctx).Model(&userRow{}).Where("id = ?", id).Updates(map[string]any{
			"first_name": after.FirstName, "last_name": after.LastName, "city": after.City,
			"city_key": textkey.Fold(after.City), "country": after.Country, "updated_at": database.At(now),
		}).Error
		if err != nil {
			return fmt.Errorf("update user %s: %w", id, err)
		}
		return also(ctx, before, after)
	})
	return after, err
}

// lock makes a query take its row's lock; SQLite has one writer anyway.
func (s store) lock(q *gorm.DB) *gorm.DB {
	if s.db.Dialect() == database.SQLite {
		return q
	}
	return q.Clauses(clause.Locking{Strength: "UPDATE"})
}

// rehash replaces a password's hash by another of the same password. Losing a
// race against a change of password changes nothing.
func (s store) rehash(ctx context.Context, id uuid.UUID, old, hash string) error {
	err := s.db.Write(ctx).Model(&userRow{}).Where("id = ? AND password_hash = ?", id, old).UpdateColumn("password_hash", hash).Error
	if err != nil {
		return fmt.Errorf("rehash password of user %s: %w", id, err)
	}
	return nil
}

// setPassword replaces the hash old and ends the user's sessions except keep.
// It returns false when the hash is not old any more.
func (s store) setPassword(ctx context.Context, id, keep uuid.UUID, old, hash string, now time.Time) (bool, error) {
	set := false
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		// The user first: see startSession.
		q := s.db.Write(ctx).Model(&userRow{}).Where("id = ? AND password_hash = ? AND is_active", id, old).
			Updates(map[string]any{"password_hash": hash, "updated_at": database.At(now)})
		if set = q.RowsAffected == 1; q.Error != nil || !set {
			return q.Error
		}
		return s.db.Write(ctx).Exec("DELETE FROM sessions WHERE user_id = ? AND id <> ?", id, keep).Error
	})
	if err != nil {
		return false, fmt.Errorf("set password of user %s: %w", id, err)
	}
	return set, nil
}

// deactivate locks a user out and ends all sessions.
func (s store) deactivate(ctx context.Context, id uuid.UUID, now time.Time) error {
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		q := s.db.Write(ctx).Model(&userRow{}).Where("id = ?", id).
			Updates(map[string]any{"is_active": false, "updated_at": database.At(now)})
		if q.Error != nil {
			return q.Error
		}
		if q.RowsAffected == 0 {
			return ErrUserNotFound
		}
		return s.db.Write(ctx).Exec("DELETE FROM sessions WHERE user_id = ?", id).Error
	})
	if err != nil {
		return fmt.Errorf("deactivate user %s: %w", id, err)
	}
	return nil
}

// startSession adds a session that ends after ttl by the database's clock. It
// returns false when the user is not active or the password's hash is not the
// given one any more: the lock makes it wait for, or be seen by, a change of
// password or a deactivation that happens at the same time.
func (s store) startSession(ctx context.Context, id, userID uuid.UUID, hash string, ttl time.Duration) (bool, error) {
	share := ""
	if s.db.Dialect() == database.Postgres {
		share = " FOR SHARE"
	}
	q := s.db.Write(ctx).Exec("INSERT INTO sessions (id, user_id, created_at, expires_at) SELECT ?, id, "+s.db.Now()+", "+s.db.In()+
		" FROM users WHERE id = ? AND password_hash = ? AND is_active"+share, id, database.Micros(ttl), userID, hash)
	if q.Error != nil {
		return false, fmt.Errorf("start session of user %s: %w", userID, q.Error)
	}
	return q.RowsAffected == 1, nil
}

// authenticate returns whose live session it is, as the user is now; it fails
// with fault.ErrUnauthenticated when there is none.
func (s store) authenticate(ctx context.Context, sessionID uuid.UUID) (identity.Principal, error) {
	var r struct {
		UserID uuid.UUID
		Role   string
	}
	err := s.db.Read(ctx).Raw("SELECT u.id AS user_id, u.role FROM sessions s JOIN users u ON u.id = s.user_id"+
		" WHERE s.id = ? AND s.expires_at > "+s.db.Now()+" AND u.is_active", sessionID).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.Principal{}, fault.ErrUnauthenticated
	}
	if err != nil {
		return identity.Principal{}, fmt.Errorf("read session %s: %w", sessionID, err)
	}
	return identity.Principal{UserID: r.UserID, SessionID: sessionID, Role: identity.Role(r.Role)}, nil
}

// endSession deletes a session; none is no error.
func (s store) endSession(ctx context.Context, id uuid.UUID) error {
	if err := s.db.Write(ctx).Exec("DELETE FROM sessions WHERE id = ?", id).Error; err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	return nil
}

// sweep deletes a batch of expired sessions and returns how many.
func (s store) sweep(ctx context.Context) (int64, error) {
	q := s.db.Write(ctx).Exec("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= "+s.db.Now()+" LIMIT ?)", sweepBatch)
	if q.Error != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", q.Error)
	}
	return q.RowsAffected, nil
}
