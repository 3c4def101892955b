package storagetest

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
)

func listsStaged(t *testing.T, s storage.Store) {
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	_, err = io.WriteString(staged, "x")
	require.NoError(t, err)
	require.Empty(t, Keys(t, s, ""))
	require.NoError(t, staged.Discard())
}

func sweeps(t *testing.T, s storage.Store) {
	Put(t, s, "object", "x")
	// Old, but its process lives.
	live, err := s.Stage(t.Context())
	require.NoError(t, err)
	_, err = io.WriteString(live, "live")
	require.NoError(t, err)
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(live.Path(), old, old))

	dir, base := filepath.Split(live.Path())
	leave := func(name string, at time.Time) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		require.NoError(t, os.Chtimes(path, at, at))
		return path
	}
	dead := leave("staged-0"+base[len("staged-0"):], old)
	young := leave("staged-1"+base[len("staged-1"):], time.Now())
	foreign := leave("important.txt", old)

	n, err := s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoFileExists(t, dead)
	require.FileExists(t, young)
	require.FileExists(t, foreign)
	require.FileExists(t, live.Path())
	require.NoError(t, live.Commit(t.Context(), "late", ""))
	require.Equal(t, []string{"late", "object"}, Keys(t, s, ""))
	require.NoError(t, os.Remove(young))
	require.NoError(t, os.Remove(foreign))

	n, err = s.Sweep(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Zero(t, n)
}

func healthy(t *testing.T, s storage.Store) {
	require.NoError(t, s.Check(t.Context()))
	require.Empty(t, Keys(t, s, ""), "a check leaves nothing")
	free, known, err := s.Free(t.Context())
	require.NoError(t, err)
	require.Equal(t, known, free > 0)
	n, err := s.Sweep(t.Context(), 0)
	require.NoError(t, err)
	require.Zero(t, n, "a check leaves nothing")
}
