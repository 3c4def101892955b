package monitor

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
)

// Operation is a bulk action that goes on in the background.
type Operation struct {
	ID         uuid.UUID
	Action     string // retry, cancel or discard
	Filter     string // in the search language; empty: IDs
	IDs        []string
	Reason     string
	Who        string
	PerMinute  int // 0: as fast as it goes
	State      string
	Total      int64 // jobs that the preview counted
	Changed    int64
	Skipped    int64 // that were in another state by then
	LastID     uuid.NullUUID
	CreatedAt  time.Time
	FinishedAt time.Time // zero: it goes on
}

// Percent is how far it is.
func (o Operation) Percent() float64 {
	if o.State == opDone || o.Total == 0 {
		return 100
	}
	return min(99, 100*float64(o.Changed+o.Skipped)/float64(o.Total))
}

// The states of operations.
const (
	opRunning = "running"
	opDone    = "done"
	opStopped = "stopped"
)

type operationRow struct {
	ID         uuid.UUID `gorm:"primaryKey"`
	Action     string
	Filter     string
	IDs        string `gorm:"column:ids"`
	Reason     string
	Who        string
	PerMinute  int
	State      string
	Total      int64
	Changed    int64
	Skipped    int64
	LastID     uuid.NullUUID
	LeaseUntil database.Time
	CreatedAt  database.Time
	FinishedAt *database.Time
}

func (operationRow) TableName() string { return "operations" }

func (r operationRow) operation() Operation {
	return Operation{
		ID: r.ID, Action: r.Action, Filter: r.Filter, IDs: split(r.IDs), Reason: r.Reason, Who: r.Who, PerMinute: r.PerMinute, State: r.State,
		Total: r.Total, Changed: r.Changed, Skipped: r.Skipped, LastID: r.LastID, CreatedAt: r.CreatedAt.Time, FinishedAt: moment(r.FinishedAt),
	}
}

// begin inserts an operation that nobody carries on yet.
func (s store) begin(ctx context.Context, o Operation) error {
	r := operationRow{
		ID: o.ID, Action: o.Action, Filter: o.Filter, IDs: strings.Join(o.IDs, ","), Reason: o.Reason, Who: o.Who, PerMinute: o.PerMinute,
		State: opRunning, Total: o.Total, LeaseUntil: database.At(time.Unix(0, 0)), CreatedAt: database.At(o.CreatedAt),
	}
	return s.db.Write(ctx).Create(&r).Error
}

// operation returns one, false when there is none.
func (s store) operation(ctx context.Context, id uuid.UUID) (Operation, bool, error) {
	var r operationRow
	err := s.db.Read(ctx).Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Operation{}, false, nil
	}
	return r.operation(), err == nil, err
}

// operations lists those that go on or ended in the last ten minutes, newest
// first.
func (s store) operations(ctx context.Context) (out []Operation, err error) {
	var rows []operationRow
	err = s.db.Read(ctx).Where("state = 'running' OR finished_at > "+s.db.Ago(), database.Micros(10*time.Minute)).
		Order("id DESC").Limit(20).Find(&rows).Error
	for _, r := range rows {
		out = append(out, r.operation())
	}
	return out, err
}

// lead takes on a running operation that nobody holds, for a while. It returns
// false when there is none.
func (s store) lead(ctx context.Context, lease time.Duration) (Operation, bool, error) {
	var rows []operationRow
	skip := " FOR UPDATE SKIP LOCKED"
	if s.db.Dialect() == database.SQLite {
		skip = "" // one writer at a time
	}
	err := s.db.Write(ctx).Raw(`UPDATE operations SET lease_until = `+s.db.In()+` WHERE id = (
			SELECT id FROM operations WHERE state = 'running' AND lease_until <= `+s.db.Now()+` ORDER BY lease_until, id LIMIT 1`+skip+`)
		RETURNING *`, database.Micros(lease)).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return Operation{}, false, err
	}
	return rows[0].operation(), true, nil
}

// advance writes down how far an operation is, and when it may go on. It is
// false when the operation was stopped meanwhile.
func (s store) advance(ctx context.Context, o Operation, rest time.Duration) (bool, error) {
	r := s.db.Write(ctx).Exec(`UPDATE operations SET changed = ?, skipped = ?, last_id = ?, lease_until = `+s.db.In()+`
		WHERE id = ? AND state = 'running'`, o.Changed, o.Skipped, o.LastID, database.Micros(rest), o.ID)
	return r.RowsAffected == 1, r.Error
}

// end finishes an operation; false when it has ended before.
func (s store) end(ctx context.Context, id uuid.UUID, state string) (bool, error) {
	r := s.db.Write(ctx).Exec("UPDATE operations SET state = ?, finished_at = "+s.db.Now()+" WHERE id = ? AND state = 'running'", state, id)
	return r.RowsAffected == 1, r.Error
}
