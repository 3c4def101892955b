package storage_test

import (
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

func TestS3_BadNetwork(t *testing.T) {
	credentials(t)
	for name, c := range map[string]struct {
		content string
		match   func(*http.Request) bool
	}{
		"a small file": {"small", isPut},
		"a part":       {big, isPart},
		"the end":      {big, isComplete},
	} {
		t.Run("cut connection, "+name, func(t *testing.T) {
			t.Parallel()
			f := newS3(t)
			s := f.open(t, "")
			cut := f.Cutting(2, c.match)
			require.NoError(t, commit(t.Context(), t, s, "a", c.content))
			require.EqualValues(t, 2, cut.Load())
			require.True(t, c.content == storagetest.Content(t, s, "a"))
			require.NoError(t, s.Delete(t.Context(), "a"))

			cut = f.Cutting(-1, c.match)
			require.Error(t, commit(t.Context(), t, s, "a", c.content))
			require.GreaterOrEqual(t, cut.Load(), int64(3))
			f.Answering(nil)
			require.Empty(t, storagetest.Keys(t, s, ""))
			require.Empty(t, f.Pending(t))
		})
	}
	t.Run("a server that never answers is left after three tries", func(t *testing.T) {
		for name, content := range map[string]string{"a small file": "small", "a large file": big} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newS3(t)
				s, err := storage.OpenHasty(t.Context(), storage.Config{URL: f.Store(""), StageDir: t.TempDir()}, 100*time.Millisecond)
				require.NoError(t, err)
				defer s.Close()
				var hung atomic.Int64
				f.Answering(func(_ http.ResponseWriter, r *http.Request) bool {
					if !isPut(r) {
						return false
					}
					hung.Add(1)
					_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection goes unseen
					<-r.Context().Done()
					return true
				})
				err = commit(t.Context(), t, s, "a", content)
				var timeout interface{ Timeout() bool }
				require.ErrorAs(t, err, &timeout)
				require.GreaterOrEqual(t, hung.Load(), int64(3))
				require.LessOrEqual(t, hung.Load(), int64(6), "two parts at once")
				f.Answering(nil)
				require.Empty(t, storagetest.Keys(t, s, ""))
				require.Empty(t, f.Pending(t))
			})
		}
	})
	t.Run("a server that is gone", func(t *testing.T) {
		t.Parallel()
		f := newS3(t)
		s := f.open(t, "&public_endpoint="+url.QueryEscape(f.URL))
		storagetest.Put(t, s, "a", "x")
		f.Close()
		require.Error(t, commit(t.Context(), t, s, "b", "x"))
		_, err := s.Open(t.Context(), "a")
		require.Error(t, err)
		require.NotErrorIs(t, err, storage.ErrNotExist)
		err = s.Check(t.Context())
		require.Error(t, err)
		require.NotErrorIs(t, err, storage.ErrRefused, "it may come back")
		_, err = s.URL(t.Context(), "a", time.Minute)
		require.NoError(t, err, "signing asks nobody")
		require.Equal(t, []string{"a"}, f.Objects(t, ""))
	})
}
