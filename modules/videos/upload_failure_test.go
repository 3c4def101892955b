package videos

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/storage"
)

func goodForm(n int) string {
	return value("title", "Triple") + movie("a.mp4", content(n)) + closing
}

func TestUpload_FailsWithItsCauseAndLeavesNothing(t *testing.T) {
	t.Parallel()
	down := errors.New("the disk of the database is on fire at 10.0.0.7")
	for name, tt := range map[string]struct {
		inspector, queue error
		status           int
		code             string
	}{
		"refused by the inspector":   {inspector: fault.New(fault.Invalid, "DURATION_TOO_SHORT", "Corto."), status: 400, code: "DURATION_TOO_SHORT"},
		"inspector cannot look":      {inspector: fault.ErrUnavailable.Because(down), status: 503, code: "UNAVAILABLE"},
		"rows roll back":             {queue: down, status: 500, code: "INTERNAL"},
		"rows roll back, known away": {queue: fault.ErrUnavailable.Because(down), status: 503, code: "UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, dbtest.SQLite(t))
			b.inspector.err, b.queue.err = tt.inspector, tt.queue
			a := b.upload(t, goodForm(5000))
			require.Equal(t, tt.status, a.status, a.text)
			require.Equal(t, tt.code, a.code)
			require.NotContains(t, a.text, "10.0.0.7")
			require.Equal(t, tt.status == 503, a.head.Get("Retry-After") != "")
			require.Empty(t, b.left(t))
		})
	}
}

func TestUpload_OfADeletedAccountIs401AndLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		b.user = uuid.New()
		a := b.upload(t, goodForm(5000))
		require.Equal(t, 401, a.status, a.text)
		require.Empty(t, b.left(t))
	})
}

func TestUpload_KeepsTheFileWhenTheCommitIsUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	b.queue.err = fault.ErrUnavailable.Because(database.ErrCommitUnknown)
	require.Equal(t, 503, b.upload(t, goodForm(5000)).status)
	left := b.left(t)
	require.Len(t, left, 1, "the janitor decides, when it is known")
	require.Equal(t, b.folder, filepath.Dir(left[0]))
}

func TestUpload_FullDiskIs503AndLeavesRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("needs the right to mount a small disk: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	small, err := storage.Open(t.Context(), storage.Config{URL: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, small.Close()) })
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.Originals, d.Config.MaxBytes = small, 4<<20 })
	b.folder = dir
	a := b.upload(t, goodForm(2<<20))
	require.Equal(t, 503, a.status, a.text)
	require.Equal(t, "STORAGE_FULL", a.code)
	require.Equal(t, "60", a.head.Get("Retry-After"))
	require.Empty(t, b.left(t))
	require.Equal(t, 201, b.upload(t, goodForm(100_000)).status)
	b.stored(t, content(100_000))
}

// roomy is a storage that has so many bytes of room.
type roomy struct {
	storage.Store
	free uint64
}

func (r roomy) Free(context.Context) (uint64, bool, error) { return r.free, true, nil }

func TestUpload_LeavesTheReserveFree(t *testing.T) {
	t.Parallel()
	for free, want := range map[uint64]int{3<<20 - 1: 503, 3 << 20: 201} {
		b := setup(t, dbtest.SQLite(t), func(d *Deps) {
			d.Originals, d.Config.MaxBytes, d.Config.Reserve = roomy{d.Originals, free}, 1<<20, 2<<20
		})
		a := b.upload(t, goodForm(1000))
		require.Equal(t, want, a.status, a.text)
		if want == 503 {
			require.Equal(t, "STORAGE_FULL", a.code)
			require.Equal(t, "60", a.head.Get("Retry-After"))
			require.Empty(t, b.left(t))
		}
	}
}
