package database_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

type moment struct {
	ID int64
	At database.Time
	To *database.Time
}

func (moment) TableName() string { return "moments" }

func withMoments(t *testing.T, d *database.DB) {
	t.Helper()
	kind := "timestamptz"
	if d.Dialect() == database.SQLite {
		kind = "integer"
	}
	require.NoError(t, d.Write(t.Context()).Exec("CREATE TABLE moments (id bigint PRIMARY KEY, at "+kind+" NOT NULL, \"to\" "+kind+")").Error)
}

func TestTime_IsReadAsItWasWrittenAndComparesAcrossZones(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withMoments(t, d)
		bogota := time.FixedZone("-05", -5*3600)
		in := []time.Time{
			time.Date(2026, 3, 8, 23, 59, 59, 999_999_999, bogota),
			time.Date(2026, 3, 9, 4, 59, 59, 999_998_000, time.UTC), // a microsecond before
			time.Date(1969, 12, 31, 23, 59, 59, 500_000_000, time.UTC),
			time.Date(2026, 11, 1, 1, 30, 0, 1000, time.FixedZone("", 5*3600+45*60)),
		}
		for i, at := range in {
			written := database.At(at)
			require.NoError(t, d.Write(t.Context()).Create(&moment{ID: int64(i + 1), At: written, To: &written}).Error)
			var out moment
			require.NoError(t, d.Read(t.Context()).Take(&out, "id = ?", i+1).Error)
			require.Equal(t, written, out.At)
			require.Equal(t, written, *out.To)
			require.Equal(t, time.UTC, out.At.Location())
			require.True(t, out.At.Equal(at.Truncate(time.Microsecond)))
		}
		var order []int64
		require.NoError(t, d.Read(t.Context()).Model(&moment{}).Order("at").Pluck("id", &order).Error)
		require.Equal(t, []int64{3, 2, 1, 4}, order)
		var found []int64
		require.NoError(t, d.Read(t.Context()).Model(&moment{}).Where("at >= ? AND at < ?", database.At(in[0]), database.At(in[3])).Pluck("id", &found).Error)
		require.Equal(t, []int64{1}, found)
	})
}

func TestTime_NullIsNil(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		withMoments(t, d)
		require.NoError(t, d.Write(t.Context()).Create(&moment{ID: 1, At: database.At(time.Now())}).Error)
		var out moment
		require.NoError(t, d.Read(t.Context()).Take(&out, "\"to\" IS NULL").Error)
		require.Nil(t, out.To)
	})
}

func TestNow_IsTheDatabasesAndMovesByOffsets(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		var got struct{ Now, Ago, Later database.Time }
		before := time.Now()
		require.NoError(t, d.Read(t.Context()).Raw("SELECT "+d.Now()+" AS now, "+d.Ago()+" AS ago, "+d.In()+" AS later",
			database.Micros(90*time.Second), database.Micros(1500*time.Microsecond)).Find(&got).Error)
		require.WithinRange(t, got.Now.Time, before.Add(-time.Second), time.Now().Add(time.Second))
		require.WithinDuration(t, got.Now.Add(-90*time.Second), got.Ago.Time, 50*time.Millisecond)
		require.WithinDuration(t, got.Now.Time, got.Later.Time, 50*time.Millisecond)
		require.True(t, got.Later.After(got.Now.Time))
	})
}

func TestTime_RefusesToScanWhatIsNone(t *testing.T) {
	t.Parallel()
	var at database.Time
	require.ErrorContains(t, at.Scan("yesterday"), "scan string into a time")
}
