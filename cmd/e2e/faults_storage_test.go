//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/storage/storagetest"
)

func storageFaults() []faultCase {
	return []faultCase{
		{"F27", "an S3 that answers 503 now and then, or always, or 200 with an error in it, or slowly, or cuts connections", "tried again; then 503 for the upload, another attempt for the job; no half object, no dangling part", true, bucketFails},
		{"R7b", "the file systems of the storage turn read-only", "503 with Retry-After for uploads, everything else goes on; back by itself", true, storageReadOnly},
	}
}

// s3Settings are those of a fleet that keeps its files in the bucket, where
// browsers do not reach it.
func s3Settings(s *storagetest.S3) []string {
	settings := []string{
		"ANB_STORAGE_ORIGINALS=" + s.Store("&prefix=originals"), "ANB_STORAGE_PROCESSED=" + s.Store("&prefix=processed"),
	}
	for name, value := range storagetest.Environment() {
		settings = append(settings, name+"="+value)
	}
	return settings
}

func bucketFails(x *experiment) {
	s3 := storagetest.StartS3(x.T)
	r := newRig(x, append(s3Settings(s3), "ANB_STORAGE_STAGE_DIR="+x.TempDir())...)
	u := r.book.join(r.serve().base(), "ana")
	clip := contentOf(x, clipOf(x.T, 2))
	send := func(key string) reply {
		return u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
	}
	puts := func(q *http.Request) bool { return q.Method == http.MethodPut }
	stored := func() int { return s3.Count(func(c string) bool { return strings.HasPrefix(c, "PUT ") }) }
	w := r.worker()
	for range x.rounds(1, 5) {
		s3.Failing(http.StatusServiceUnavailable, 2, puts)
		before := stored()
		first := send(r.book.key())
		require.Equal(x, http.StatusCreated, first.status, "%v", first.body)
		require.GreaterOrEqual(x, stored()-before, 3)
		x.occurred("two of three requests were answered 503 SlowDown")
		u.processed(first.text("video_id"))

		var slow atomic.Int64
		s3.Answering(func(_ http.ResponseWriter, q *http.Request) bool {
			slow.Add(1)
			select {
			case <-time.After(500 * time.Millisecond):
			case <-q.Context().Done():
			}
			return false
		})
		require.Equal(x, http.StatusCreated, send(r.book.key()).status)
		require.Positive(x, slow.Load())
		x.occurred("each request was answered half a second later")
		s3.Answering(nil)

		for what, fails := range map[string]func(){
			"was answered 500":                     func() { s3.Failing(500, -1, puts) },
			"was answered 503 SlowDown":            func() { s3.Failing(503, -1, puts) },
			"was answered 200 with an error in it": func() { s3.Failing(200, -1, puts) },
			"was cut off half way":                 func() { s3.Cutting(-1, puts) },
		} {
			key := r.book.key()
			fails()
			refused := send(key)
			require.Equal(x, http.StatusServiceUnavailable, refused.status, "%s: %v", what, refused.body)
			x.occurred("every request that stores %s", what)
			s3.Answering(nil)
			require.Empty(x, s3.Pending(x.T), "dangling parts")
			at := time.Now()
			again := send(key)
			require.Equal(x, http.StatusCreated, again.status)
			x.recovered(at)

			// And now the worker's side: the result cannot be stored.
			fails()
			id := again.text("video_id")
			x.eventually(patience, "no attempt fails", func() bool {
				attempts := r.attemptsOf(id)
				return len(attempts) > 0 && attempts[0].Outcome == "postponed"
			})
			require.Equal(x, "storage", r.attemptsOf(id)[0].Reason)
			s3.Answering(nil)
			at = time.Now()
			u.processed(id)
			x.recovered(at)
			require.Empty(x, s3.Pending(x.T))
		}
	}
	r.quit(w)
	// Reading fails: 503, and not 404 or 500.
	id := send(r.book.key()).text("video_id")
	s3.Failing(500, -1, func(q *http.Request) bool { return q.Method == http.MethodGet })
	original := u.call(http.MethodGet, "/api/videos/"+id, nil)
	require.Equal(x, http.StatusOK, original.status, "an address is signed without asking S3")
	require.Equal(x, http.StatusServiceUnavailable, u.call(http.MethodGet, original.text("original_url"), nil).status)
	var published string
	for _, sent := range r.book.uploads {
		if sent.id != id && sent.id != "" {
			published = sent.id
		}
	}
	require.Equal(x, http.StatusServiceUnavailable, u.call(http.MethodGet, "/api/public/videos/"+published+"/stream", nil).status)
	x.occurred("every request that reads was answered 500")
	s3.Answering(nil)
	r.finish()
	r.stored = func(place string) int {
		prefix := map[string]string{"uploads": "originals/", "processed_videos": "processed/"}[place]
		return len(s3.Objects(x.T, prefix)) - len(s3.Objects(x.T, prefix+"known-job-"))
	}
	r.check()
}

func storageReadOnly(x *experiment) {
	r := newRig(x)
	uploads, processed := r.mount("uploads", 60), r.mount("processed_videos", 60)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	id := r.published(u)
	r.settle(api, u)
	clip := contentOf(x, clipOf(x.T, 2))
	send := func(key string) reply {
		return u.send(key, clip, func(b []byte) io.Reader { return bytes.NewReader(b) })
	}
	for range x.rounds(1, 10) {
		doomed, waiting := send(r.book.key()).text("video_id"), send(r.book.key()).text("video_id")
		w := r.worker()
		for _, path := range []string{uploads, processed} {
			require.NoError(x, unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			require.ErrorIs(x, os.WriteFile(filepath.Join(path, "x"), nil, 0o600), unix.EROFS)
		}
		x.occurred("writing to the two folders failed with EROFS")
		key := r.book.key()
		refused := send(key)
		require.Equal(x, http.StatusServiceUnavailable, refused.status, "%v", refused.body)
		for _, path := range []string{"/api/videos", "/api/public/videos", "/api/public/videos/" + id + "/stream"} {
			require.Equal(x, http.StatusOK, u.call(http.MethodGet, path, nil).status, "%s writes nothing", path)
		}
		require.Equal(x, http.StatusOK, r.book.join(u.base, "luis").vote(id).status)
		if deleted := u.delete(doomed); deleted.status != http.StatusOK { // the worker may have been faster
			require.Equal(x, "VIDEO_PUBLISHED", deleted.text("code"))
		}
		for _, path := range []string{uploads, processed} {
			require.NoError(x, unix.Mount("", path, "", unix.MS_REMOUNT, ""))
		}
		at := time.Now()
		require.Equal(x, http.StatusCreated, send(key).status)
		u.processed(waiting)
		x.recovered(at)
		r.ends()
		r.quit(w)
	}
	r.check()
}
