package storage_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// fakeS3 is an S3 server whose requests a test can answer differently.
type fakeS3 struct {
	*httptest.Server
	fake http.Handler

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) (answered bool)
	calls []string // method and the first query parameters that matter
}

func newS3(t *testing.T) *fakeS3 {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("bucket"))
	f := &fakeS3{fake: gofakes3.New(backend).Server()}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	// Before its first upload the fake answers 404 to a list of uploads, which
	// real servers do not: begin one and end it.
	f.request(t, http.MethodPost, "/bucket/first?uploads")
	_, rest, _ := strings.Cut(f.request(t, http.MethodGet, "/bucket?uploads"), "<UploadId>")
	id, _, found := strings.Cut(rest, "</UploadId>")
	require.True(t, found)
	f.request(t, http.MethodDelete, "/bucket/first?uploadId="+id)
	require.Zero(t, f.pending(t))
	return f
}

// request makes a request that must succeed, and returns the answer's body.
func (f *fakeS3) request(t *testing.T, method, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, string(b))
	return string(b)
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	fault := f.fault
	f.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	f.fake.ServeHTTP(w, r)
}

// failing answers the requests for which match holds, the first times of them,
// with a status; times < 0 means all.
func (f *fakeS3) failing(status, times int, match func(*http.Request) bool) {
	var mu sync.Mutex
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if !match(r) || times == 0 {
			return false
		}
		times--
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+codes[status]+`</Code><Message>no</Message></Error>`)
		return true
	})
}

var codes = map[int]string{
	500: "InternalError", 503: "SlowDown", 507: "XMinioStorageFull", 403: "AccessDenied",
	200: "InternalError", // S3 finds out too late that it cannot say so
}

func (f *fakeS3) answering(fault func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *fakeS3) count(match func(call string) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if match(c) {
			n++
		}
	}
	return n
}

// pending returns the multipart uploads that nobody finished or aborted.
func (f *fakeS3) pending(t *testing.T) int {
	t.Helper()
	return strings.Count(f.request(t, http.MethodGet, "/bucket?uploads"), "<UploadId>")
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
