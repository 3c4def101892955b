package videos

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/storage"
)

// put stores an object.
func put(t *testing.T, s storage.Store, key, text string) {
	t.Helper()
	f, err := s.Stage(t.Context())
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, f.Commit(t.Context(), key, ""))
}

// withPublished is a bundle with one published video and its three files.
func withPublished(t *testing.T) (*bundle, row) {
	t.Helper()
	b := setup(t, dbtest.SQLite(t))
	r := clip(player{b.user, "Ana Díaz", "Bogotá"}, "Triple", 0, 1)
	add(t, b.db, r)
	put(t, b.Originals, r.OriginalKey, "0123456789")
	put(t, b.Processed, *r.ProcessedKey, "abcdefghij")
	put(t, b.Processed, *r.ThumbnailKey, "jpeg")
	return b, r
}

func TestOriginal_OpensWithItsSignatureOnly(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	other := clip(player{b.user, "Ana Díaz", "Bogotá"}, "Otro", 1, 1)
	add(t, b.db, other)
	put(t, b.Originals, other.OriginalKey, "other")
	var d detailResponse
	b.get(t, "/api/videos/"+r.ID.String()).into(t, &d)
	u, err := url.Parse(d.OriginalURL)
	require.NoError(t, err)
	signature, expires := u.Query().Get("signature"), u.Query().Get("expires")
	at := func(path, query string) answer { return b.send(t, "GET", path+"?"+query, uuid.Nil, nil) }

	for name, query := range map[string]string{
		"nothing":            "",
		"no signature":       "expires=" + expires,
		"no expiry":          "signature=" + signature,
		"flipped":            "expires=" + expires + "&signature=" + strings.ToLower(signature) + "A",
		"longer life":        "expires=9" + expires + "&signature=" + signature,
		"padded expiry":      "expires=0" + expires + "&signature=" + signature,
		"repeated expiry":    u.RawQuery + "&expires=" + expires,
		"repeated signature": u.RawQuery + "&signature=" + signature,
	} {
		a := at(u.Path, query)
		require.Equal(t, 403, a.status, name)
		require.Equal(t, "SIGNATURE_INVALID", a.code, name)
	}
	require.Equal(t, "SIGNATURE_INVALID", at("/api/videos/"+other.ID.String()+"/original", u.RawQuery).code, "of another video")
	require.Equal(t, 404, at("/api/videos/abc/original", u.RawQuery).status)

	a := b.send(t, "GET", d.OriginalURL, uuid.Nil, nil)
	require.Equal(t, 200, a.status, "without a bearer")
	require.Equal(t, "0123456789", a.text)
	require.Equal(t, "private, no-store", a.head.Get("Cache-Control"))
	require.Equal(t, "video/mp4", a.head.Get("Content-Type"))
	b.now.Add(int64(2 * time.Minute / time.Second))
	require.Equal(t, "SIGNATURE_EXPIRED", at(u.Path, u.RawQuery).code)
}

func TestStream_ServesRangesHeadAndNotModified(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	path := "/api/public/videos/" + r.ID.String() + "/stream"
	full := b.send(t, "GET", path, uuid.Nil, nil)
	require.Equal(t, 200, full.status)
	require.Equal(t, "abcdefghij", full.text)
	require.Equal(t, "bytes", full.head.Get("Accept-Ranges"))
	require.Equal(t, "video/mp4", full.head.Get("Content-Type"))
	require.Equal(t, "nosniff", full.head.Get("X-Content-Type-Options"))

	a := b.send(t, "GET", path, uuid.Nil, nil, "Range", "bytes=0-1")
	require.Equal(t, 206, a.status)
	require.Equal(t, "ab", a.text)
	require.Equal(t, "bytes 0-1/10", a.head.Get("Content-Range"))
	require.Equal(t, "hij", b.send(t, "GET", path, uuid.Nil, nil, "Range", "bytes=-3").text)
	stale := b.send(t, "GET", path, uuid.Nil, nil, "Range", "bytes=0-1", "If-Range", `"other"`)
	require.Equal(t, 200, stale.status)

	head := b.send(t, "HEAD", path, uuid.Nil, nil)
	require.Equal(t, 200, head.status)
	require.Equal(t, "10", head.head.Get("Content-Length"))
	require.Empty(t, head.text)
	require.Equal(t, 304, b.send(t, "GET", path, uuid.Nil, nil, "If-None-Match", full.head.Get("ETag")).status)

	for _, method := range []string{"GET", "HEAD"} {
		a = b.send(t, method, path, uuid.Nil, nil, "Range", "bytes=10-20")
		require.Equal(t, 416, a.status)
		require.Equal(t, "bytes */10", a.head.Get("Content-Range"))
		require.Equal(t, "application/problem+json", a.head.Get("Content-Type"))
		require.Equal(t, "no-store", a.head.Get("Cache-Control"))
	}
	require.Equal(t, "RANGE_NOT_SATISFIABLE", b.send(t, "GET", path, uuid.Nil, nil, "Range", "bytes=10-20").code)
	poster := b.send(t, "GET", "/api/public/videos/"+r.ID.String()+"/thumbnail", uuid.Nil, nil)
	require.Equal(t, "image/jpeg", poster.head.Get("Content-Type"))
	require.Equal(t, "jpeg", poster.text)
}

func TestStream_UnpublishedOrMissingIs404(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	waiting := unpublished(player{b.user, "Ana Díaz", "Bogotá"}, "no", 1, Uploaded)
	add(t, b.db, waiting)
	put(t, b.Originals, waiting.OriginalKey, "secret")
	for _, file := range []string{"stream", "thumbnail"} {
		require.Equal(t, "VIDEO_NOT_FOUND", b.get(t, "/api/public/videos/"+waiting.ID.String()+"/"+file).code, "not even for the owner")
	}
	require.NoError(t, b.Processed.Delete(t.Context(), *r.ProcessedKey))
	require.Equal(t, "VIDEO_NOT_FOUND", b.get(t, "/api/public/videos/"+r.ID.String()+"/stream").code)
}

func TestProcessed_ServesOnlyVideosAndPostersOfItsFolder(t *testing.T) {
	t.Parallel()
	b, r := withPublished(t)
	a := b.send(t, "GET", "/processed/"+*r.ProcessedKey, uuid.Nil, nil)
	require.Equal(t, 200, a.status)
	require.Contains(t, a.head.Get("Cache-Control"), "immutable")
	require.Equal(t, "cross-origin", a.head.Get("Cross-Origin-Resource-Policy"), "the dashboard shows it too")
	require.Equal(t, 200, b.send(t, "HEAD", "/processed/"+*r.ThumbnailKey, uuid.Nil, nil).status)

	put(t, b.Processed, "notes.txt", "x")
	put(t, b.Processed, "sub/deep.mp4", "x")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(b.public), "outside.mp4"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(filepath.Join(filepath.Dir(b.public), "outside.mp4"), filepath.Join(b.public, "link.mp4")))
	require.NotEqual(t, 200, b.send(t, "GET", "/processed/link.mp4", uuid.Nil, nil).status)
	for _, name := range []string{
		"notes.txt", "none.mp4", "", ".mp4", "..%2foutside.mp4", "%2e%2e%2foutside.mp4", "..%5coutside.mp4", "%2fetc%2fpasswd.mp4",
		".stage%2fx.mp4", "x%00.mp4", strings.ToUpper(*r.ProcessedKey), strings.Repeat("x", 300) + ".mp4", "a%20b.mp4", "%F0%9F%8F%80.mp4",
		r.OriginalKey,
	} {
		a := b.send(t, "GET", "/processed/"+name, uuid.Nil, nil)
		require.Equal(t, 404, a.status, name+a.text)
	}
}

func TestAddresses_AreAbsoluteWhenThePublicURLIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t), func(d *Deps) { d.PublicURL = "https://anb.example" })
	r := clip(player{b.user, "Ana Díaz", "Bogotá"}, "Triple", 0, 1)
	add(t, b.db, r)
	var d detailResponse
	b.get(t, "/api/videos/"+r.ID.String()).into(t, &d)
	require.True(t, strings.HasPrefix(d.OriginalURL, "https://anb.example/api/videos/"), d.OriginalURL)
	require.Equal(t, "https://anb.example/processed/"+*r.ProcessedKey, d.ProcessedURL)
}
