package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"anb/platform/storage"
)

func readerFails(t *testing.T, s storage.Store) {
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	broken := errors.New("connection reset")
	r := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(broken))
	_, err = io.Copy(staged, r)
	require.ErrorIs(t, err, broken)
	require.NoError(t, staged.Discard())
	require.NoFileExists(t, staged.Path())
	require.Empty(t, Keys(t, s, ""))
}

func contextEnds(t *testing.T, s storage.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	staged, err := s.Stage(ctx)
	require.NoError(t, err)
	_, err = io.WriteString(staged, "x")
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, staged.Commit(ctx, "a", ""), context.Canceled)
	require.Empty(t, Keys(t, s, ""))
	_, err = s.Stage(ctx)
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, staged.Commit(t.Context(), "a", ""), "can be tried again")
	require.Equal(t, "x", Content(t, s, "a"))
}

func sameKey(t *testing.T, s storage.Store) {
	Put(t, s, "a/b.mp4", "first")
	require.ErrorIs(t, put(t, s, "a/b.mp4", "second"), storage.ErrExist)
	require.Equal(t, "first", Content(t, s, "a/b.mp4"))
}

// large is more than S3 gets in one request.
func large(letter string) string { return strings.Repeat(letter, 9<<20) }

func sameKeyLarge(t *testing.T, s storage.Store) {
	Put(t, s, "a/b.mp4", large("1"))
	require.ErrorIs(t, put(t, s, "a/b.mp4", large("2")), storage.ErrExist)
	require.ErrorIs(t, put(t, s, "a/b.mp4", "small"), storage.ErrExist)
	require.True(t, large("1") == Content(t, s, "a/b.mp4"))
}

func sameKeyAtOnce(t *testing.T, s storage.Store) { oneWins(t, s, 8, 1) }

func sameKeyLargeAtOnce(t *testing.T, s storage.Store) { oneWins(t, s, 3, 1<<20) }

// oneWins has writers store one key at once, each a line of its own repeated.
func oneWins(t *testing.T, s storage.Store, writers, lines int) {
	var won atomic.Int32
	var winner atomic.Value
	var g errgroup.Group
	for i := range writers {
		content := strings.Repeat(fmt.Sprintf("writer %d\n", i), lines)
		g.Go(func() error {
			staged, err := s.Stage(t.Context())
			if err != nil {
				return err
			}
			defer func() { _ = staged.Discard() }()
			if _, err := io.WriteString(staged, content); err != nil {
				return err
			}
			err = staged.Commit(t.Context(), "one/key", "")
			if err == nil {
				won.Add(1)
				winner.Store(content)
			} else if !errors.Is(err, storage.ErrExist) {
				return err
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, won.Load())
	require.True(t, winner.Load() == Content(t, s, "one/key"))
}

func badKeys(t *testing.T, s storage.Store) {
	for _, key := range []string{
		"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./a", "a/.", "a//b", "a/", "/a",
		".stage/x", "a/.hidden", "a\x00b", "\x00", "a\\b", "a b", "A", "ñ", "a\u0301", "\xff", "a\nb", "a?b", "a%2fb",
		strings.Repeat("a", 2000), strings.Repeat("a/", 1000) + "a",
	} {
		require.ErrorIs(t, put(t, s, key, "x"), storage.ErrBadKey, "commit %q", key)
		_, err := s.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrBadKey, "open %q", key)
		_, err = s.Fetch(t.Context(), key, t.TempDir())
		require.ErrorIs(t, err, storage.ErrBadKey, "fetch %q", key)
		require.ErrorIs(t, s.Delete(t.Context(), key), storage.ErrBadKey, "delete %q", key)
		_, err = s.URL(t.Context(), key, time.Minute)
		require.ErrorIs(t, err, storage.ErrBadKey, "url %q", key)
		require.ErrorIs(t, storage.PutFile(t.Context(), s, os.Args[0], key, ""), storage.ErrBadKey, "put %q", key)
	}
	require.Empty(t, Keys(t, s, ""))
	Put(t, s, strings.Repeat("a", 255), "the longest key")
	require.Equal(t, "the longest key", Content(t, s, strings.Repeat("a", 255)))
}

func discard(t *testing.T, s storage.Store) {
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	require.NoError(t, staged.Discard())
	require.NoError(t, staged.Discard(), "twice")
	require.ErrorIs(t, staged.Commit(t.Context(), "a", ""), storage.ErrDone)
	_, err = io.WriteString(staged, "x")
	require.ErrorIs(t, err, storage.ErrDone)
	_, err = staged.ReadFrom(strings.NewReader("x"))
	require.ErrorIs(t, err, storage.ErrDone)

	staged, err = s.Stage(t.Context())
	require.NoError(t, err)
	_, err = io.WriteString(staged, "kept")
	require.NoError(t, err)
	require.NoError(t, staged.Commit(t.Context(), "a", ""))
	require.NoFileExists(t, staged.Path())
	require.NoError(t, staged.Discard(), "after a commit")
	require.ErrorIs(t, staged.Commit(t.Context(), "b", ""), storage.ErrDone)
	require.Equal(t, "kept", Content(t, s, "a"))
	require.Equal(t, []string{"a"}, Keys(t, s, ""))
}

func putFails(t *testing.T, s storage.Store) {
	require.ErrorIs(t, storage.PutFile(t.Context(), s, filepath.Join(t.TempDir(), "none"), "a", ""), os.ErrNotExist)
	require.Error(t, storage.PutFile(t.Context(), s, t.TempDir(), "a", ""), "a folder")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, storage.PutFile(ctx, s, os.Args[0], "a", ""), context.Canceled)
	require.Empty(t, Keys(t, s, ""))
}

func sizes(t *testing.T, s storage.Store) {
	Put(t, s, "empty", "")
	require.Empty(t, Content(t, s, "empty"))

	much := make([]byte, 17<<20+1) // three parts in S3
	_, _ = rand.NewChaCha8([32]byte{}).Read(much)
	path := filepath.Join(t.TempDir(), "much")
	require.NoError(t, os.WriteFile(path, much, 0o600))
	require.NoError(t, storage.PutFile(t.Context(), s, path, "much", ""))
	require.True(t, bytes.Equal(much, []byte(Content(t, s, "much"))))
}

func stagedPath(t *testing.T, s storage.Store) {
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	n, err := io.WriteString(staged, "hello")
	require.NoError(t, err)
	require.Equal(t, 5, n)
	m, err := staged.ReadFrom(strings.NewReader(" world"))
	require.NoError(t, err)
	require.EqualValues(t, 6, m)
	require.EqualValues(t, 11, staged.Size())
	b, err := os.ReadFile(staged.Path())
	require.NoError(t, err)
	require.Equal(t, "hello world", string(b))
	require.NoError(t, staged.Commit(t.Context(), "a", ""))
	require.Equal(t, "hello world", Content(t, s, "a"))
}

func putFile(t *testing.T, s storage.Store) {
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, []byte("result"), 0o600))
	require.NoError(t, storage.PutFile(t.Context(), s, path, "a/b.jpg", "image/jpeg"))
	require.Equal(t, "result", Content(t, s, "a/b.jpg"))
	require.FileExists(t, path)
	require.ErrorIs(t, storage.PutFile(t.Context(), s, path, "a/b.jpg", ""), storage.ErrExist)
}

func writers(t *testing.T, s storage.Store) {
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("writer %d ", i), 10_000) }
	g, ctx := errgroup.WithContext(t.Context())
	for i := range 32 {
		g.Go(func() error {
			key := fmt.Sprintf("shared/%d/file", i%4*10)
			if err := s.Delete(ctx, key); err != nil { // races with the others' folders
				return err
			}
			staged, err := s.Stage(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = staged.Discard() }()
			if _, err := io.WriteString(staged, content(i)); err != nil {
				return err
			}
			return staged.Commit(ctx, fmt.Sprintf("shared/%d/w%d", i%4*10, i), "")
		})
	}
	require.NoError(t, g.Wait())
	require.Len(t, Keys(t, s, "shared/"), 32)
	for i := range 32 {
		require.Equal(t, content(i), Content(t, s, fmt.Sprintf("shared/%d/w%d", i%4*10, i)))
	}
}
