package storage_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

func TestS3_SignsAddresses(t *testing.T) {
	credentials(t)
	// get sends what a <video> tag sends: no more than a range.
	get := func(t *testing.T, address, ranges string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		if ranges != "" {
			r.Header.Set("Range", ranges)
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b), res.Header
	}
	address := func(t *testing.T, s storage.Store, ttl time.Duration) string {
		t.Helper()
		u, err := s.URL(t.Context(), "a/b.mp4", ttl)
		require.NoError(t, err)
		return u
	}
	direct := func(f *server) string { return "&public_endpoint=" + url.QueryEscape(f.URL) }

	t.Run("that nobody can change", func(t *testing.T) {
		f := newS3(t)
		s := f.open(t, "&prefix=mine"+direct(f))
		storagetest.Put(t, s, "a/b.mp4", "content")
		storagetest.Put(t, s, "a/c.mp4", "another")
		u := address(t, s, 90*time.Second)
		for name, wrong := range map[string]string{
			"of another object": strings.Replace(u, "b.mp4", "c.mp4", 1),
			"a longer life":     strings.Replace(u, "X-Amz-Expires=90", "X-Amz-Expires=900", 1),
			"no signature":      u[:strings.Index(u, "?")],
			"another signature": u[:len(u)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(u, "0")],
		} {
			require.NotEqual(t, u, wrong, name)
			status, body, _ := get(t, wrong, "")
			require.Equal(t, http.StatusForbidden, status, name)
			require.NotContains(t, body, "content", name)
			require.NotContains(t, body, "another", name)
		}
		res, err := http.Post(u, "text/plain", strings.NewReader("x"))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.NotEqual(t, http.StatusOK, res.StatusCode, "for reading only")
		require.Equal(t, "content", storagetest.Content(t, s, "a/b.mp4"))
	})
	t.Run("that end", func(t *testing.T) {
		f := newS3(t)
		s := f.open(t, direct(f))
		storagetest.Put(t, s, "a/b.mp4", "content")
		u := address(t, s, time.Second)
		status, _, _ := get(t, u, "")
		require.Equal(t, http.StatusOK, status)
		require.Eventually(t, func() bool {
			status, _, _ = get(t, u, "")
			return status == http.StatusForbidden
		}, 10*time.Second, 50*time.Millisecond)
	})
	t.Run("that players can seek in", func(t *testing.T) {
		f := newS3(t)
		s := f.open(t, "&prefix=mine"+direct(f))
		storagetest.Put(t, s, "a/b.mp4", "content")
		status, body, header := get(t, address(t, s, time.Minute), "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "content", body)
		require.Equal(t, "video/mp4", header.Get("Content-Type"))
		status, body, header = get(t, address(t, s, time.Minute), "bytes=3-")
		require.Equal(t, http.StatusPartialContent, status)
		require.Equal(t, "tent", body)
		require.Equal(t, "bytes 3-6/7", header.Get("Content-Range"))
	})
	t.Run("at the public endpoint", func(t *testing.T) {
		f := newS3(t)
		public := httptest.NewServer(f)
		defer public.Close()
		s := f.open(t, "&public_endpoint="+url.QueryEscape(public.URL+"/"))
		storagetest.Put(t, s, "a/b.mp4", "content")
		u := address(t, s, time.Minute)
		require.True(t, strings.HasPrefix(u, public.URL+"/bucket/a/b.mp4?"), u)
		_, body, _ := get(t, u, "")
		require.Equal(t, "content", body)
	})
	t.Run("none that only we may reach", func(t *testing.T) {
		f := newS3(t)
		require.Empty(t, address(t, f.open(t, ""), time.Minute), "who knows where the endpoint is")
		require.Empty(t, address(t, f.open(t, "&public_endpoint=none"), time.Minute))
		aws := storage.Config{URL: "s3://bucket?region=eu-west-1&prefix=p", StageDir: t.TempDir()}
		require.True(t, strings.HasPrefix(address(t, open(t, aws), time.Minute), "https://bucket.s3.eu-west-1.amazonaws.com/p/a/b.mp4?"))
		private := aws
		private.URL += "&public_endpoint=none"
		require.Empty(t, address(t, open(t, private), time.Minute))
		t.Setenv("AWS_ENDPOINT_URL_S3", f.URL)
		require.Empty(t, address(t, open(t, aws), time.Minute), "the SDK's variable says where the endpoint is")
	})
	t.Run("with the keys of a file", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", storagetest.CredentialsFile(t))
		f := newS3(t)
		s := f.open(t, direct(f))
		storagetest.Put(t, s, "a/b.mp4", "content")
		_, body, _ := get(t, address(t, s, time.Minute), "")
		require.Equal(t, "content", body)
	})
}
