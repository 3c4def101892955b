package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
)

// Event is a line of the audit.
type Event struct {
	ID        uuid.UUID
	At        time.Time
	Who       string
	Role      string
	Address   string
	Action    string // such as job.retry
	Target    string
	Reason    string
	Result    string // done or refused
	Detail    string
	RequestID string
}

// The results of actions.
const (
	resultDone    = "done"
	resultRefused = "refused"
)

type eventRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	At        database.Time
	Who       string
	Role      string
	Address   string
	Action    string
	Target    string
	Reason    string
	Result    string
	Detail    string
	Key       *string
	RequestID string
}

func (eventRow) TableName() string { return "audit_events" }

func (r eventRow) event() Event {
	return Event{
		ID: r.ID, At: r.At.Time, Who: r.Who, Role: r.Role, Address: r.Address, Action: r.Action, Target: r.Target,
		Reason: r.Reason, Result: r.Result, Detail: r.Detail, RequestID: r.RequestID,
	}
}

// errRepeated means that a request with the same key was answered before.
var errRepeated = errors.New("the request is a repetition")

// record adds a line to the audit, in the transaction that ctx carries. key may
// be empty; errRepeated when there is a line with it already.
func (s store) record(ctx context.Context, e Event, key string) error {
	r := eventRow{
		ID: e.ID, At: database.At(e.At), Who: e.Who, Role: e.Role, Address: e.Address, Action: e.Action, Target: e.Target,
		Reason: e.Reason, Result: e.Result, Detail: e.Detail, RequestID: e.RequestID,
	}
	if key != "" {
		r.Key = &key
	}
	err := s.db.Write(ctx).Create(&r).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return errRepeated
	}
	return err
}

// byKey returns the line of a request, false when there is none.
func (s store) byKey(ctx context.Context, key string) (Event, bool, error) {
	var r eventRow
	err := s.db.Read(ctx).Where("key = ?", key).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Event{}, false, nil
	}
	return r.event(), err == nil, err
}

// eventPage is what a page of the audit asks for.
type eventPage struct {
	Who, Action, Target string     // empty: any
	Before              *uuid.UUID // older ones than this
	Limit               int
}

// events lists the audit, newest first, and whether there is more.
func (s store) events(ctx context.Context, p eventPage) (out []Event, more bool, err error) {
	q := s.db.Read(ctx).Table("audit_events").Order("id DESC").Limit(p.Limit + 1)
	for column, value := range map[string]string{"who": p.Who, "action": p.Action, "target": p.Target} {
		if value != "" {
			q = q.Where(column+" = ?", value)
		}
	}
	if p.Before != nil {
		q = q.Where("id < ?", *p.Before)
	}
	var rows []eventRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, false, err
	}
	if more = len(rows) > p.Limit; more {
		rows = rows[:p.Limit]
	}
	for _, r := range rows {
		out = append(out, r.event())
	}
	return out, more, nil
}
