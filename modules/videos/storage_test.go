package videos

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/platform/storage"
)

// away is a storage across a network that has gone.
type away struct{ storage.Store }

var errAway = errors.New("dial tcp 10.0.0.7:9000: connection refused")

func (away) Stage(context.Context) (*storage.Staged, error)               { return nil, errAway }
func (away) Open(context.Context, string) (storage.Object, error)         { return nil, errAway }
func (away) Delete(context.Context, string) error                         { return errAway }
func (away) URL(context.Context, string, time.Duration) (string, error)   { return "", nil }
func (away) Fetch(context.Context, string, string) (path string, _ error) { return "", errAway }

// lose makes the storage of a running server unusable in different ways.
var lose = map[string]func(*testing.T, *bundle){
	"the folders are gone": func(t *testing.T, b *bundle) {
		for _, dir := range []string{b.folder, b.public} {
			require.NoError(t, os.RemoveAll(dir))
		}
	},
	"there are files in their place": func(t *testing.T, b *bundle) {
		for _, dir := range []string{b.folder, b.public} {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
		}
	},
	"the stores are closed": func(t *testing.T, b *bundle) {
		require.NoError(t, errors.Join(b.Originals.Close(), b.Processed.Close()))
	},
	"the network is": func(_ *testing.T, b *bundle) { b.Originals, b.Processed = away{b.Originals}, away{b.Processed} },
}

func TestStorageAway_Is503ForThoseWhoNeedItAndNoOneElse(t *testing.T) {
	t.Parallel()
	for name, lose := range lose {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, r := withPublished(t)
			mine := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "Otro", 1, Uploaded)
			add(t, b.db, mine)
			put(t, b.Originals, mine.OriginalKey, "x")
			var d detailResponse
			b.get(t, "/api/videos/"+r.ID.String()).into(t, &d)
			lose(t, b)

			public := "/api/public/videos/" + r.ID.String()
			for _, path := range []string{d.OriginalURL, public + "/stream", public + "/thumbnail", "/processed/" + *r.ProcessedKey, "/processed/" + *r.ThumbnailKey} {
				for _, method := range []string{"GET", "HEAD"} {
					a := b.send(t, method, path, uuid.Nil, nil, "Range", "bytes=2-3")
					require.Equal(t, 503, a.status, "%s %s: %s", method, path, a.text)
					require.Equal(t, "15", a.head.Get("Retry-After"))
					require.NotContains(t, a.text, "10.0.0.7")
					require.NotContains(t, a.text, b.folder)
				}
			}
			a := b.upload(t, goodForm(5000))
			require.Equal(t, 503, a.status, a.text)
			require.Equal(t, "UNAVAILABLE", a.code)
			require.Equal(t, "15", a.head.Get("Retry-After"))

			for _, path := range []string{"/api/videos", "/api/videos/" + r.ID.String(), "/api/public/videos", public} {
				require.Equal(t, 200, b.get(t, path).status, path)
			}
			a = b.send(t, "DELETE", "/api/videos/"+mine.ID.String(), b.user, nil)
			require.Equal(t, 200, a.status, "the row is gone, the file is the janitor's: %s", a.text)
			require.Equal(t, 404, b.get(t, "/api/videos/"+mine.ID.String()).status)
		})
	}
}

// unreadable tells of its objects, but their contents do not come.
type unreadable struct {
	storage.Store
	whole int64 // bytes that do
}

func (u unreadable) Open(ctx context.Context, key string) (storage.Object, error) {
	o, err := u.Store.Open(ctx, key)
	return &cutOff{o, u.whole}, err
}

type cutOff struct {
	storage.Object
	left int64
}

func (c *cutOff) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errAway
	}
	n, err := c.Object.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func TestStorageAway_AfterItHasToldOfTheFileIs503Too(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	b.Processed = unreadable{b.Processed, 0}
	path := "/processed/" + *r.ProcessedKey
	for _, header := range [][]string{nil, {"Range", "bytes=2-3"}} {
		a := b.get(t, path, header...)
		require.Equal(t, 503, a.status, a.text)
		require.Equal(t, "UNAVAILABLE", a.code)
		for _, h := range []string{"ETag", "Content-Range", "Accept-Ranges", "Last-Modified"} {
			require.Empty(t, a.head.Get(h), h)
		}
		require.Equal(t, "no-store", a.head.Get("Cache-Control"))
	}
	require.Equal(t, 200, b.send(t, "HEAD", path, b.user, nil).status)
	require.Equal(t, 416, b.get(t, path, "Range", "bytes=99-").status)

	b.Processed = unreadable{b.Processed.(unreadable).Store, 4}
	res, err := b.client.Get(b.url + path)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "what has begun is cut, and never looks whole")
}

// racy is a storage from which an object is removed once it has been opened.
type racy struct{ storage.Store }

type goneObject struct{ storage.Object }

func (r racy) Open(ctx context.Context, key string) (storage.Object, error) {
	o, err := r.Store.Open(ctx, key)
	return goneObject{o}, err
}

func (goneObject) Read([]byte) (int, error) { return 0, storage.ErrNotExist }

func TestFile_RemovedWhileItIsOpenedIs404(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	b.Processed = racy{b.Processed}
	a := b.send(t, "GET", "/api/public/videos/"+r.ID.String()+"/stream", uuid.Nil, nil)
	require.Equal(t, 404, a.status)
	require.Empty(t, a.head.Get("ETag"))
}
