package database

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Time is a point in time as both dialects store it: timestamptz in
// PostgreSQL, whole microseconds since 1970 in SQLite, whose text times with
// mixed zones compare wrongly. It is always UTC and cut to microseconds, so
// that what is read equals what was written.
type Time struct{ time.Time }

// At returns t as it will be read back.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// Micros is d as a parameter of the expressions In and Ago.
func Micros(d time.Duration) int64 { return d.Microseconds() }

// GormValue implements gorm.Valuer, which knows the dialect.
func (t Time) GormValue(_ context.Context, db *gorm.DB) clause.Expr {
	if db.Name() == string(SQLite) {
		return clause.Expr{SQL: "?", Vars: []any{t.UnixMicro()}}
	}
	return clause.Expr{SQL: "?", Vars: []any{t.Time}}
}

// Scan implements sql.Scanner.
func (t *Time) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		t.Time = v.UTC()
	case int64:
		t.Time = time.UnixMicro(v).UTC()
	case nil:
		t.Time = time.Time{}
	default:
		return fmt.Errorf("scan %T into a time", v)
	}
	return nil
}

// GormDataType implements schema.GormDataTypeInterface.
func (Time) GormDataType() string { return "time" }
