package storagetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// S3 is an S3 server whose requests a test can answer differently.
type S3 struct {
	*httptest.Server
	Fake http.Handler // what answers when no fault does

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) (answered bool)
	calls []string // method and the first query parameters that matter
}

// StartS3 runs a server with an empty bucket named bucket until the test ends.
func StartS3(t *testing.T) *S3 {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket("bucket"))
	f := &S3{Fake: gofakes3.New(backend).Server()}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	// Before its first upload the fake answers 404 to a list of uploads, which
	// real servers do not: begin one and end it.
	f.Request(t, http.MethodPost, "/bucket/first?uploads")
	_, rest, _ := strings.Cut(f.Request(t, http.MethodGet, "/bucket?uploads"), "<UploadId>")
	id, _, found := strings.Cut(rest, "</UploadId>")
	require.True(t, found)
	f.Request(t, http.MethodDelete, "/bucket/first?uploadId="+id)
	require.Zero(t, f.Pending(t))
	return f
}

// Request makes a request that must succeed, and returns the answer's body.
func (f *S3) Request(t *testing.T, method, path string) string {
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

// ServeHTTP answers as the test wants, else as S3 would.
func (f *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	fault := f.fault
	f.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	f.Fake.ServeHTTP(w, r)
}

// Failing answers the requests for which match holds, the first times of them,
// with a status; times < 0 means all.
func (f *S3) Failing(status, times int, match func(*http.Request) bool) {
	var mu sync.Mutex
	f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
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

// Answering lets fault answer requests; nil ends that.
func (f *S3) Answering(fault func(http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Count returns how many requests match: method and path with query.
func (f *S3) Count(match func(call string) bool) int {
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

// Pending returns the multipart uploads that nobody finished or aborted.
func (f *S3) Pending(t *testing.T) int {
	t.Helper()
	return strings.Count(f.Request(t, http.MethodGet, "/bucket?uploads"), "<UploadId>")
}
