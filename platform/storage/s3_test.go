package storage_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// fakeS3 is an S3 server whose requests a test can answer differently.
type fakeS3 struct{ *storagetest.S3 }

func newS3(t *testing.T) *fakeS3 {
	t.Helper()
	return &fakeS3{storagetest.StartS3(t)}
}

func (f *fakeS3) open(t *testing.T, options string) storage.Store {
	t.Helper()
	s, err := storage.OpenImpatient(t.Context(), storage.Config{
		URL:      "s3://bucket?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape(f.URL) + options,
		StageDir: t.TempDir(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The SDK reads its credentials from the environment, so the tests that sign
// something are not parallel to each other at their top level.
func credentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

func TestS3(t *testing.T) {
	credentials(t)
	t.Run("alone in its bucket", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store { return newS3(t).open(t, "") })
	})
	t.Run("under a prefix", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Store {
			f := newS3(t)
			storagetest.Put(t, f.open(t, "&prefix=another"), "stranger", "x")
			return f.open(t, "&prefix=mine")
		})
	})
	t.Run("signs addresses that end", func(t *testing.T) {
		s := newS3(t).open(t, "&prefix=mine")
		storagetest.Put(t, s, "a/b.mp4", "content")
		u, err := s.URL(t.Context(), "a/b.mp4", 90*time.Second)
		require.NoError(t, err)
		require.Contains(t, u, "X-Amz-Expires=90")
		require.Contains(t, u, "X-Amz-Signature=")
		resp, err := http.Get(u)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "content", string(b))
		require.Equal(t, "video/mp4", resp.Header.Get("Content-Type"))
	})
	t.Run("says that there is no bucket", func(t *testing.T) {
		f := newS3(t)
		s := open(t, storage.Config{
			URL: "s3://other?region=x&use_path_style=true&endpoint=" + url.QueryEscape(f.URL), StageDir: t.TempDir(),
		})
		require.ErrorContains(t, s.Check(t.Context()), "bucket does not exist")
	})
	t.Run("says that a region is missing", func(t *testing.T) {
		t.Setenv("AWS_REGION", "")
		_, err := storage.Open(t.Context(), storage.Config{URL: "s3://b", StageDir: t.TempDir()})
		require.ErrorContains(t, err, "AWS_REGION")
	})
}
