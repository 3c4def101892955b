//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func diskFaults() []faultCase {
	return []faultCase{
		{"F10", "no room for an upload", "degraded before, 503 STORAGE_FULL, the room comes back, small requests and small uploads succeed", true, diskFullOfUpload},
		{"F11", "no room in the work folder", "the attempts fail with no_space and cost nothing; published when there is room; the original is untouched", true, diskFullOfWork},
	}
}

// mount gives a folder of the fleet a file system of its own.
func (r *rig) mount(dir string, mib int) string {
	r.x.Helper()
	path := filepath.Join(r.dir, dir)
	require.NoError(r.x, os.MkdirAll(path, 0o755))
	require.NoError(r.x, unix.Mount("anb-test", path, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)), "mounting needs root")
	r.x.Cleanup(func() { require.NoError(r.x, unix.Unmount(path, unix.MNT_DETACH)) })
	return path
}

// free is the room in a folder, in bytes.
func free(x *experiment, path string) int64 {
	x.Helper()
	var s unix.Statfs_t
	require.NoError(x, unix.Statfs(path, &s))
	return int64(s.Bavail) * s.Bsize
}

// fill takes all but left bytes of a folder's room and returns what gives it
// back. That the folder is full is proved by the last byte that is refused.
func (x *experiment) fill(path string, left int64) (empty func()) {
	x.Helper()
	ballast := filepath.Join(path, ".ballast")
	f, err := os.Create(ballast)
	require.NoError(x, err)
	_, err = f.Write(make([]byte, free(x, path)))
	if err == nil {
		_, err = f.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(x, err, syscall.ENOSPC)
	info, err := f.Stat()
	require.NoError(x, err)
	require.NoError(x, f.Truncate(info.Size()-left))
	require.NoError(x, f.Close())
	x.occurred("ENOSPC for the byte after the last")
	return func() { require.NoError(x, os.Remove(ballast)) }
}

func diskFullOfUpload(x *experiment) {
	r := newRig(x, "ANB_UPLOAD_MAX_BYTES=20000000")
	uploads := r.mount("uploads", 60)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	small := clipOf(x.T, 2)
	ids := []string{u.accepted(small)}
	r.settle(api, u)
	large := append(contentOf(x, small), make([]byte, 15<<20)...)
	body, contentType := form("Grande", "clip.mp4", large)
	send := func() reply {
		return u.call(http.MethodPost, "/api/videos/upload", bytes.NewReader(body), "Content-Type", contentType)
	}
	for range x.rounds(2, 10) {
		empty := x.fill(uploads, 10<<20)
		require.Less(x, x.metric(api, `anb_storage_free_bytes{place="originals"}`), float64(11<<20))
		// The answer of /readyz is a second old at most.
		x.eventually(5*time.Second, "/readyz says nothing", func() bool {
			return u.call(http.MethodGet, "/readyz", nil).text("status") == "degraded"
		})
		before := free(x, uploads)
		refused := send()
		require.Equal(x, http.StatusServiceUnavailable, refused.status, "%v %v", refused.body, refused.err)
		require.Equal(x, "STORAGE_FULL", refused.text("code"))
		require.NotEmpty(x, refused.header.Get("Retry-After"))
		x.eventually(5*time.Second, "the room does not come back", func() bool { return free(x, uploads) > before-1<<20 })
		require.Len(x, r.files("uploads"), len(ids)+1, "and the ballast")
		require.Equal(x, http.StatusOK, u.call(http.MethodGet, "/api/videos", nil).status)
		ids = append(ids, u.accepted(small))
		empty()
		at := time.Now()
		again := u.send(r.book.key(), contentOf(x, small), func(b []byte) io.Reader { return bytes.NewReader(b) })
		require.Equal(x, http.StatusCreated, again.status)
		x.recovered(at)
		require.Equal(x, http.StatusOK, u.delete(again.text("video_id")).status)
	}
	r.finish()
	u.processed(ids...)
	r.check()
}

func diskFullOfWork(x *experiment) {
	r := newRig(x, "ANB_PROCESSING_RETRY_CAP=1s")
	work := r.mount("work", 8)
	api := r.serve()
	u := r.book.join(api.base(), "ana")
	clip := clipOf(x.T, 2)
	w := r.worker()
	// How much is left decides at which write it ends, and what ffmpeg says of it.
	left := []int64{16 << 10, 32 << 10, 48 << 10, 0, 8 << 10, 24 << 10, 40 << 10, 56 << 10, 12 << 10, 20 << 10}
	for n := range x.rounds(3, 10) {
		empty := x.fill(work, left[n])
		id := u.accepted(clip)
		var attempts []attempt
		x.eventually(patience, "it never fails", func() bool {
			attempts = r.attemptsOf(id)
			return len(attempts) >= 4 // more than there are attempts before the end
		})
		for _, a := range attempts[:3] {
			require.Equal(x, "no_space", a.Reason, "%v", attempts)
		}
		x.occurred("attempts failed with no_space")
		status, _ := u.status(id)
		require.Equal(x, "processing", status)
		require.Less(x, x.metric(w, `anb_storage_free_bytes{place="work"}`), float64(1<<20))
		empty()
		at := time.Now()
		u.processed(id)
		x.recovered(at)
	}
	r.quit(w)
	require.Empty(x, r.files("work"))
	r.check()
}
