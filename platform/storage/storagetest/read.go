package storagetest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
)

func missing(t *testing.T, s storage.Store) {
	Put(t, s, "a", "x")
	for _, key := range []string{"b", "b/c/d.mp4", "a/b"} {
		_, err := s.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotExist, key)
		_, err = s.Fetch(t.Context(), key, t.TempDir())
		require.ErrorIs(t, err, storage.ErrNotExist, key)
		require.NoError(t, s.Delete(t.Context(), key), key)
	}
	Put(t, s, "folder/x", "x")
	_, err := s.Open(t.Context(), "folder")
	require.ErrorIs(t, err, storage.ErrNotExist, "what holds objects is none")
	require.NoError(t, s.Delete(t.Context(), "folder"))
	require.Equal(t, []string{"a", "folder/x"}, Keys(t, s, ""))
}

func roundTrip(t *testing.T, s storage.Store) {
	Put(t, s, "a/b/name.mp4", "content")
	require.Equal(t, "content", Content(t, s, "a/b/name.mp4"))
	o, err := s.Open(t.Context(), "a/b/name.mp4")
	require.NoError(t, err)
	require.NoError(t, iotest.TestReader(o, []byte("content")))
	require.NoError(t, o.Close())
}

func fetch(t *testing.T, s storage.Store) {
	Put(t, s, "a/b.mp4", "content")
	dir := t.TempDir()
	path, err := s.Fetch(t.Context(), "a/b.mp4", dir)
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "content", string(b))
	require.Equal(t, ".mp4", filepath.Ext(path))

	dir = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Fetch(ctx, "a/b.mp4", dir)
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func describes(t *testing.T, s storage.Store) {
	before := time.Now().Add(-2 * time.Second) // S3 has whole seconds
	Put(t, s, "a.mp4", "content")
	Put(t, s, "b.mp4", "other content")
	info := func(key string) storage.Info {
		o, err := s.Open(t.Context(), key)
		require.NoError(t, err)
		defer func() { require.NoError(t, o.Close()) }()
		return o.Info()
	}
	a := info("a.mp4")
	require.Equal(t, "a.mp4", a.Key)
	require.EqualValues(t, 7, a.Size)
	require.Equal(t, "video/mp4", a.ContentType)
	require.WithinRange(t, a.ModTime, before, time.Now().Add(2*time.Second))
	require.Regexp(t, `^"[^"]+"$`, a.ETag, "strong and quoted")
	require.Equal(t, a.ETag, info("a.mp4").ETag, "stable")
	require.NotEqual(t, a.ETag, info("b.mp4").ETag)
}

func seeks(t *testing.T, s storage.Store) {
	Put(t, s, "a", "0123456789")
	o, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer func() { require.NoError(t, o.Close()) }()
	for _, c := range []struct {
		offset int64
		whence int
		at     int64
		want   string // of three bytes asked for; from there on the next case
	}{
		{0, io.SeekStart, 0, "012"},
		{0, io.SeekCurrent, 3, "345"},
		{1, io.SeekCurrent, 7, "789"},
		{0, io.SeekEnd, 10, ""},
		{-1, io.SeekEnd, 9, "9"},
		{-10, io.SeekEnd, 0, "012"},
		{9, io.SeekStart, 9, "9"},
		{10, io.SeekStart, 10, ""},
		{11, io.SeekStart, 11, ""},
		{5, io.SeekEnd, 15, ""},
		{-13, io.SeekCurrent, 2, "234"},
	} {
		at, err := o.Seek(c.offset, c.whence)
		require.NoError(t, err)
		require.Equal(t, c.at, at, "%+v", c)
		buf := make([]byte, 3)
		n, err := io.ReadFull(o, buf)
		require.Equal(t, c.want, string(buf[:n]), "%+v", c)
		switch n {
		case 3:
			require.NoError(t, err)
		case 0:
			require.ErrorIs(t, err, io.EOF)
		default:
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
	_, err = o.Seek(-1, io.SeekStart)
	require.Error(t, err)
	_, err = o.Seek(0, 7)
	require.Error(t, err)
	require.EqualValues(t, 10, o.Info().Size)
}

func readEnds(t *testing.T, s storage.Store) {
	Put(t, s, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Open(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
}

func deletes(t *testing.T, s storage.Store) {
	Put(t, s, "a/b/c", "x")
	Put(t, s, "a/d", "y")
	require.NoError(t, s.Delete(t.Context(), "a/b/c"))
	_, err := s.Open(t.Context(), "a/b/c")
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.NoError(t, s.Delete(t.Context(), "a/b/c"), "twice")
	require.Equal(t, "y", Content(t, s, "a/d"))
	Put(t, s, "a/b/c", "again")
	require.Equal(t, "again", Content(t, s, "a/b/c"))
}

func lists(t *testing.T, s storage.Store) {
	require.Empty(t, Keys(t, s, ""))
	for _, key := range []string{"a/1", "a/2/x", "ab/1", "b", "b2/y"} {
		Put(t, s, key, strings.Repeat("x", len(key)))
	}
	for prefix, want := range map[string][]string{
		"":      {"a/1", "a/2/x", "ab/1", "b", "b2/y"},
		"a":     {"a/1", "a/2/x", "ab/1"},
		"a/":    {"a/1", "a/2/x"},
		"a/2":   {"a/2/x"},
		"b":     {"b", "b2/y"},
		"none":  {},
		"no/ne": {},
	} {
		require.ElementsMatch(t, want, Keys(t, s, prefix), "prefix %q", prefix)
	}
	for info, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		require.EqualValues(t, len(info.Key), info.Size)
		require.WithinDuration(t, time.Now(), info.ModTime, time.Minute)
	}
	for range s.List(t.Context(), "") {
		break // must not be called again
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for prefix, want := range map[string]error{"": context.Canceled, "../": storage.ErrBadKey, ".stage": storage.ErrBadKey, "/": storage.ErrBadKey} {
		count := 0
		for _, err := range s.List(ctx, prefix) {
			require.ErrorIs(t, err, want, "prefix %q", prefix)
			count++
		}
		require.Equal(t, 1, count, "prefix %q", prefix)
	}
}
