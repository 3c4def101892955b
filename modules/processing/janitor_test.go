package processing

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/storage"
)

// yard is a janitor with one place, and a clock.
type yard struct {
	Janitor
	store storage.Store
	now   time.Time
}

// newYard holds known.mp4, which has a row, and orphan.mp4, which has none.
func newYard(t *testing.T, d *database.DB) *yard {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Config{URL: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	y := &yard{store: s, now: time.Now()}
	known := func(context.Context, []string) (map[string]bool, error) {
		return map[string]bool{"known.mp4": true}, nil
	}
	y.Janitor = Janitor{
		DB: d, Places: []Place{{Store: s, Known: known}},
		Grace: 15 * time.Minute, Now: func() time.Time { return y.now }, Log: discard(),
	}
	y.put(t, "known.mp4", "orphan.mp4")
	return y
}

func (y *yard) put(t *testing.T, keys ...string) {
	t.Helper()
	f := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(f, []byte("x"), 0o600))
	for _, key := range keys {
		require.NoError(t, storage.PutFile(t.Context(), y.store, f, key, "video/mp4"))
	}
}

// left lists the files, and the jobs that are witnessed.
func (y *yard) left(t *testing.T) (files, witnessed []string) {
	t.Helper()
	for info, err := range y.store.List(t.Context(), "") {
		require.NoError(t, err)
		if isWitness(info.Key) {
			witnessed = append(witnessed, info.Key[len(witnessPrefix):])
		} else {
			files = append(files, info.Key)
		}
	}
	return files, witnessed
}

func TestJanitor_RemovesOldFilesWithoutARow(t *testing.T) {
	t.Parallel()
	y := newYard(t, dbtest.SQLite(t))
	done, err := y.Clean(t.Context())
	require.NoError(t, err)
	require.Zero(t, done)
	files, witnessed := y.left(t)
	require.Len(t, files, 2, "a young file may still get its row")
	require.Empty(t, witnessed, "there is no job yet")

	y.now = y.now.Add(16 * time.Minute)
	y.DryRun = true
	done, err = y.Clean(t.Context())
	require.NoError(t, err)
	require.Equal(t, Tidied{Files: 1, Bytes: 1}, done)
	files, _ = y.left(t)
	require.Len(t, files, 2, "a dry run only tells")

	y.DryRun = false
	done, err = y.Clean(t.Context())
	require.NoError(t, err)
	require.Equal(t, Tidied{Files: 1, Bytes: 1}, done)
	files, _ = y.left(t)
	require.Equal(t, []string{"known.mp4"}, files)

	y.Places[0].Known = func(context.Context, []string) (map[string]bool, error) { return nil, errors.New("database is away") }
	_, err = y.Clean(t.Context())
	require.Error(t, err)
	files, _ = y.left(t)
	require.Equal(t, []string{"known.mp4"}, files, "without an answer nothing is removed")

	_, err = Janitor{}.Clean(t.Context())
	require.Error(t, err)
}

// The database comes back as it was an hour ago: what was uploaded meanwhile
// has no row any more, and its file is all that is left.
func TestJanitor_KeepsItsHandsOffWhenTheDatabaseWasRestored(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		y := newYard(t, d)
		jobs := store{d}
		job := func(at time.Duration) string {
			id := uuid.New()
			require.NoError(t, jobs.enqueue(t.Context(), id, uuid.New(), Config{Queue: "q", MaxAttempts: 3}, y.now.Add(at)))
			return id.String()
		}
		lose := func(id string) {
			require.NoError(t, d.Write(t.Context()).Exec("DELETE FROM jobs WHERE id = ?", id).Error)
		}
		clean := func() error {
			_, err := y.Clean(t.Context())
			return err
		}
		requireWitness := func(id string) {
			t.Helper()
			_, witnessed := y.left(t)
			require.Equal(t, []string{id}, witnessed)
		}

		first := job(0)
		require.NoError(t, clean())
		requireWitness(first)
		second := job(time.Minute)
		require.NoError(t, clean())
		requireWitness(second)
		require.NoError(t, clean())
		requireWitness(second)

		lose(second)
		y.now = y.now.Add(time.Hour)
		for what, change := range map[string]func(){
			"as it was": func() {}, "and used since": func() { job(2 * time.Hour) }, "and emptied": func() { lose(first) },
		} {
			change()
			require.ErrorIs(t, clean(), ErrRestored, what)
			files, _ := y.left(t)
			require.Len(t, files, 2, what)
			requireWitness(second)
		}

		y.DryRun, y.Force = true, true
		done, err := y.Clean(t.Context())
		require.NoError(t, err)
		require.Equal(t, Tidied{Files: 1, Bytes: 1}, done)
		requireWitness(second)

		y.DryRun = false
		newest := job(3 * time.Hour)
		require.NoError(t, clean())
		files, _ := y.left(t)
		require.Equal(t, []string{"known.mp4"}, files)
		requireWitness(newest)
		y.Force = false
		require.NoError(t, clean(), "forced once, it goes on by itself")
	})
}

func TestJanitor_LooksOnceMoreWhenTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	y := newYard(t, d)
	y.put(t, witnessPrefix+uuid.NewString(), witnessPrefix+"not-a-job")
	y.now = y.now.Add(time.Hour)
	_, err := y.Clean(t.Context())
	require.ErrorIs(t, err, ErrRestored)
	require.NoError(t, d.Close())
	_, err = y.Clean(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrRestored, "no answer is no contradiction")
	files, _ := y.left(t)
	require.Len(t, files, 2)
}
