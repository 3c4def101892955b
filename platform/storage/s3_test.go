package storage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// server is an S3 server whose requests a test can answer differently.
type server struct{ *storagetest.S3 }

func newS3(t *testing.T) *server {
	t.Helper()
	return &server{storagetest.StartS3(t)}
}

func (f *server) open(t *testing.T, options string) storage.Store {
	t.Helper()
	s, err := storage.OpenImpatient(t.Context(), storage.Config{URL: f.Store(options), StageDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The SDK reads its credentials from the environment, so the tests that sign
// something are not parallel to each other at their top level.
func credentials(t *testing.T) {
	t.Helper()
	for name, value := range storagetest.Environment() {
		t.Setenv(name, value)
	}
}

func TestS3(t *testing.T) {
	credentials(t)
	t.Run("alone in its bucket", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store {
			f := newS3(t)
			t.Cleanup(func() { require.Empty(t, f.Pending(t), "dangling parts") })
			return f.open(t, "")
		})
	})
	t.Run("under a prefix", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store {
			f := newS3(t)
			storagetest.Put(t, f.open(t, "&prefix=another"), "stranger", "x")
			return f.open(t, "&prefix=mine")
		})
	})
	t.Run("says that a region is missing", func(t *testing.T) {
		t.Setenv("AWS_REGION", "")
		_, err := storage.Open(t.Context(), storage.Config{URL: "s3://b", StageDir: t.TempDir()})
		require.ErrorContains(t, err, "AWS_REGION")
	})
}
