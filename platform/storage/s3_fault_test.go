package storage_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// big is more than S3 gets in one request.
var big = strings.Repeat("0123456789abcdef", 9<<20/16)

func commit(ctx context.Context, t *testing.T, s storage.Store, key, content string) error {
	t.Helper()
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, staged.Discard()) }()
	_, err = io.WriteString(staged, content)
	require.NoError(t, err)
	return staged.Commit(ctx, key, "")
}

func isPut(r *http.Request) bool  { return r.Method == http.MethodPut }
func isGet(r *http.Request) bool  { return r.Method == http.MethodGet && r.URL.Path != "/bucket" }
func isPart(r *http.Request) bool { return isPut(r) && r.URL.Query().Has("partNumber") }
func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func TestS3_Faults(t *testing.T) {
	credentials(t)
	t.Run("nothing remains when the server fails", func(t *testing.T) {
		tests := map[string]struct {
			content string
			status  int
			match   func(*http.Request) bool
			want    error
		}{
			"a small file, 500":        {"x", 500, isPut, nil},
			"a small file, 503":        {"x", 503, isPut, nil},
			"a small file, 200 though": {"x", 200, isPut, nil},
			"no permission":            {"x", 403, isPut, nil},
			"no room":                  {"x", 507, isPut, storage.ErrFull},
			"no room for a part":       {big, 507, isPart, storage.ErrFull},
			"a part, 500":              {big, 500, isPart, nil},
			"the end, 500":             {big, 500, isComplete, nil},
			"the end, 200 with error":  {big, 200, isComplete, nil},
			"the beginning, 500":       {big, 500, func(r *http.Request) bool { return r.URL.Query().Has("uploads") && r.Method == http.MethodPost }, nil},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newS3(t)
				s := f.open(t, "")
				f.Failing(tt.status, -1, tt.match)
				err := commit(t.Context(), t, s, "a", tt.content)
				require.Error(t, err)
				require.NotErrorIs(t, err, storage.ErrExist)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				} else {
					require.NotErrorIs(t, err, storage.ErrFull)
				}
				f.Answering(nil)
				require.Empty(t, storagetest.Keys(t, s, ""))
				require.Empty(t, f.Pending(t))
			})
		}
	})
	t.Run("tries again", func(t *testing.T) {
		for name, c := range map[string]struct {
			content string
			status  int
			match   func(*http.Request) bool
		}{
			"a small file": {"small", 503, isPut},
			"a part":       {big, 503, isPart},
			"the end":      {big, 500, isComplete},
			"reading":      {"small", 500, isGet},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newS3(t)
				s := f.open(t, "")
				f.Failing(c.status, 2, c.match)
				require.NoError(t, commit(t.Context(), t, s, "a", c.content))
				require.True(t, c.content == storagetest.Content(t, s, "a"))
				require.Empty(t, f.Pending(t))
			})
		}
	})
	t.Run("gives up after three tries", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "")
		f.Failing(503, -1, isPut)
		require.Error(t, commit(t.Context(), t, s, "a", "x"))
		require.Equal(t, 3, f.Count(func(c string) bool { return strings.HasPrefix(c, "PUT ") }))
	})
	t.Run("knows its own object when the first answer got lost", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "")
		var lost atomic.Bool
		f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
			if !isPut(r) || lost.Swap(true) {
				return false
			}
			f.Real.ServeHTTP(&discarding{header: http.Header{}}, r)
			w.WriteHeader(500)
			return true
		})
		require.NoError(t, commit(t.Context(), t, s, "a", "mine"))
		require.Equal(t, "mine", storagetest.Content(t, s, "a"))
		require.ErrorIs(t, commit(t.Context(), t, s, "a", "other"), storage.ErrExist)
	})
	t.Run("aborts an upload whose context ends", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		f.Answering(func(_ http.ResponseWriter, r *http.Request) bool {
			if isPart(r) && r.URL.Query().Get("partNumber") == "2" {
				cancel()
			}
			return false
		})
		require.ErrorIs(t, commit(ctx, t, s, "a", big), context.Canceled)
		f.Answering(nil)
		require.Equal(t, 1, f.Count(func(c string) bool { return strings.HasPrefix(c, "DELETE ") }))
		require.Empty(t, storagetest.Keys(t, s, ""))
		// As S3's manual warns, a part that was under way may arrive after the end
		// of its upload, and stays until somebody ends that again.
		require.Eventually(t, func() bool {
			_, err := s.Sweep(t.Context(), -time.Hour)
			return err == nil && len(f.Pending(t)) == 0
		}, 10*time.Second, 50*time.Millisecond)
	})
	t.Run("sweeps the uploads of the dead under its prefix", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "&prefix=mine")
		for _, key := range []string{"mine/a", "other/a"} {
			f.begin(t, key)
		}
		n, err := s.Sweep(t.Context(), time.Hour)
		require.NoError(t, err)
		require.Zero(t, n, "too young")
		n, err = s.Sweep(t.Context(), -time.Hour)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, []string{"other/a"}, f.Pending(t), "another's")
	})
	t.Run("reads all or fails", func(t *testing.T) {
		for name, truncate := range map[string]func(http.ResponseWriter){
			"with a length":    func(w http.ResponseWriter) { w.Header().Set("Content-Length", "10") },
			"without a length": func(http.ResponseWriter) {},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newS3(t)
				s := f.open(t, "")
				storagetest.Put(t, s, "a", "0123456789")
				f.Answering(func(w http.ResponseWriter, r *http.Request) bool {
					if !isGet(r) {
						return false
					}
					truncate(w)
					_, _ = io.WriteString(w, "0123")
					return true
				})
				o, err := s.Open(t.Context(), "a")
				require.NoError(t, err)
				defer o.Close()
				b, err := io.ReadAll(o)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Equal(t, "0123", string(b))

				dir := t.TempDir()
				_, err = s.Fetch(t.Context(), "a", dir)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				left, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	})
	t.Run("an outage is not an absence", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "")
		storagetest.Put(t, s, "a", "x")
		f.Failing(503, -1, func(*http.Request) bool { return true })
		_, err := s.Open(t.Context(), "a")
		require.Error(t, err)
		require.NotErrorIs(t, err, storage.ErrNotExist)
		require.Error(t, s.Check(t.Context()))
		require.Error(t, s.Delete(t.Context(), "a"))
		for _, err := range s.List(t.Context(), "") {
			require.Error(t, err)
		}
		f.Answering(nil)
		require.Equal(t, "x", storagetest.Content(t, s, "a"))
	})
}

// begin leaves a multipart upload behind, as a process does that dies.
func (f *server) begin(t *testing.T, key string) {
	t.Helper()
	_, err := f.Client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: &key})
	require.NoError(t, err)
}

// discarding is the answer that got lost.
type discarding struct{ header http.Header }

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarding) WriteHeader(int)             {}
