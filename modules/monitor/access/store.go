package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"anb/platform/database"
)

const (
	// sweepBatch is how many expired sessions one statement deletes.
	sweepBatch = 500
	// maxSessions is how many are listed.
	maxSessions = 500
)

// store keeps sessions.
type store struct{ db *database.DB }

type sessionRow struct {
	ID         string
	Name       string
	Credential string
	CreatedAt  database.Time
	ExpiresAt  database.Time
}

func (sessionRow) TableName() string { return "monitor_sessions" }

// start adds a session that ends after ttl by the database's clock.
func (s store) start(ctx context.Context, id string, e entry, ttl time.Duration) error {
	err := s.db.Write(ctx).Exec("INSERT INTO monitor_sessions (id, name, credential, created_at, expires_at) VALUES (?, ?, ?, "+s.db.Now()+", "+s.db.In()+")",
		id, e.name, e.credential(), database.Micros(ttl)).Error
	if err != nil {
		return fmt.Errorf("start session of %s: %w", e.name, err)
	}
	return nil
}

// session returns a live session, and false when there is none.
func (s store) session(ctx context.Context, id string) (sessionRow, bool, error) {
	var r sessionRow
	err := s.db.Read(ctx).Where("id = ? AND expires_at > "+s.db.Now(), id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return sessionRow{}, false, nil
	}
	if err != nil {
		return sessionRow{}, false, fmt.Errorf("read session: %w", err)
	}
	return r, true, nil
}

// list returns the live sessions, the newest first.
func (s store) list(ctx context.Context) ([]sessionRow, error) {
	var rows []sessionRow
	err := s.db.Read(ctx).Where("expires_at > " + s.db.Now()).Order("created_at DESC, id").Limit(maxSessions).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return rows, nil
}

// end deletes a session and tells whether there was one.
func (s store) end(ctx context.Context, id string) (bool, error) {
	q := s.db.Write(ctx).Exec("DELETE FROM monitor_sessions WHERE id = ?", id)
	if q.Error != nil {
		return false, fmt.Errorf("end session: %w", q.Error)
	}
	return q.RowsAffected > 0, nil
}

// sweep deletes a batch of expired sessions and returns how many.
func (s store) sweep(ctx context.Context) (int64, error) {
	q := s.db.Write(ctx).Exec("DELETE FROM monitor_sessions WHERE id IN (SELECT id FROM monitor_sessions WHERE expires_at <= "+s.db.Now()+" LIMIT ?)", sweepBatch)
	if q.Error != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", q.Error)
	}
	return q.RowsAffected, nil
}
