package storage_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

func openDisk(t *testing.T) (storage.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	return open(t, storage.Config{URL: "file://" + dir}), dir
}

func TestDisk_followsNoLinkOut(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder")))
	require.NoError(t, os.Symlink("../../../..", filepath.Join(dir, "up")))

	for _, key := range []string{"link", "folder/secret", "up/etc/passwd"} {
		_, err := s.Open(t.Context(), key)
		require.Error(t, err, key)
		_, err = s.Fetch(t.Context(), key, t.TempDir())
		require.Error(t, err, key)
	}
	for _, key := range []string{"folder/new", "up/new", "link"} {
		require.Error(t, commit(t.Context(), t, s, key, "x"), key)
	}
	require.Error(t, s.Delete(t.Context(), "folder/secret"))
	require.NoError(t, s.Delete(t.Context(), "link"), "the link itself may go")
	require.Empty(t, storagetest.Keys(t, s, ""))
	b, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "secret", string(b))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestDisk_opensRegularFilesOnly(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	_, err := s.Open(t.Context(), "pipe") // must not wait for a writer
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.Empty(t, storagetest.Keys(t, s, ""))
}

func TestDisk_fetchGivesTheFileItself(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	storagetest.Put(t, s, "a/b", "x")
	path, err := s.Fetch(t.Context(), "a/b", "not used")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "a", "b"), path)
	stat, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, stat.Mode().Perm()&0o027, "others may not read, nor the group write")
	u, err := s.URL(t.Context(), "a/b", time.Minute)
	require.NoError(t, err)
	require.Empty(t, u)
}

func TestDisk_deleteRemovesEmptyFolders(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	storagetest.Put(t, s, "a/b/c/x", "x")
	storagetest.Put(t, s, "a/y", "y")
	require.NoError(t, s.Delete(t.Context(), "a/b/c/x"))
	require.NoDirExists(t, filepath.Join(dir, "a", "b"))
	require.NoError(t, s.Delete(t.Context(), "a/y"))
	require.NoDirExists(t, filepath.Join(dir, "a"))
	require.DirExists(t, dir)
	storagetest.Put(t, s, "z", "z")
}

func TestDisk_objectsAreTheSameForEveryProcess(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	storagetest.Put(t, s, "a", "x")
	other := open(t, storage.Config{URL: dir})
	o1, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer o1.Close()
	o2, err := other.Open(t.Context(), "a")
	require.NoError(t, err)
	defer o2.Close()
	require.Equal(t, o1.Info(), o2.Info())
}

func TestDisk_commitCountsTheAge(t *testing.T) {
	t.Parallel()
	s, _ := openDisk(t)
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(staged.Path(), old, old))
	require.NoError(t, staged.Commit(t.Context(), "a", ""))
	for info, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), info.ModTime, time.Minute)
	}
}

func TestDisk_checkNoticesAnotherFolderInItsPlace(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, os.Rename(dir, dir+".old"))
	require.Error(t, s.Check(t.Context()), "gone")
	require.NoError(t, os.Mkdir(dir, 0o750))
	require.ErrorContains(t, s.Check(t.Context()), "another folder")
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Rename(dir+".old", dir))
	require.NoError(t, s.Check(t.Context()))
}

func TestDisk_withoutItsFolderKnowsOfNoAbsence(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, dir string){
		"removed": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"a file in its place": func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
		},
		"another in its place": func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.Mkdir(dir, 0o750))
		},
	} {
		s, dir := openDisk(t)
		_, err := s.Open(t.Context(), "a")
		require.ErrorIs(t, err, storage.ErrNotExist, name)
		lose(t, dir)
		_, err = s.Open(t.Context(), "a")
		require.Error(t, err, name)
		require.NotErrorIs(t, err, storage.ErrNotExist, name)
		_, err = s.Fetch(t.Context(), "a", "")
		require.NotErrorIs(t, err, storage.ErrNotExist, name)
	}
}

func TestRenameNew_replacesNothing(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, root.WriteFile("a", []byte("a"), 0o600))
	require.NoError(t, root.WriteFile("b", []byte("b"), 0o600))
	require.ErrorIs(t, storage.RenameNew(root, "a", "b"), storage.ErrExist)
	require.NoError(t, storage.RenameNew(root, "a", "c"))
	b, err := root.ReadFile("b")
	require.NoError(t, err)
	require.Equal(t, "b", string(b))
}

// needMount skips the test, or fails it where everything is required.
func needMount(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("ANB_TEST_REQUIRE") == "1" {
		require.NoError(t, err, "mount tmpfs")
	}
	t.Skipf("needs the right to mount a tmpfs: %v", err)
}

// Not parallel: a process that TestDisk_killed is starting holds our files, and
// so their room, until it runs.
func TestDisk_whenFull(t *testing.T) {
	dir := t.TempDir()
	needMount(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	s, err := storage.Open(t.Context(), storage.Config{URL: dir})
	require.NoError(t, err)
	defer s.Close()
	free := func() uint64 {
		n, known, err := s.Free(t.Context())
		require.NoError(t, err)
		require.True(t, known)
		return n
	}
	storagetest.Put(t, s, "before", "kept")
	before := free()
	require.InDelta(t, 1<<20, before, 64<<10)

	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	_, err = io.Copy(struct{ io.Writer }{staged}, strings.NewReader(big))
	require.ErrorIs(t, err, storage.ErrFull)
	require.ErrorIs(t, s.Check(t.Context()), storage.ErrFull)
	require.Equal(t, "kept", storagetest.Content(t, s, "before"), "can still be read")
	again, err := storage.Open(t.Context(), storage.Config{URL: dir})
	require.NoError(t, err, "a full disk can be opened")
	require.NoError(t, again.Close())
	require.NoError(t, staged.Discard())
	require.Equal(t, before, free(), "the room is back")

	source := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(source, []byte(big), 0o600))
	require.ErrorIs(t, storage.PutFile(t.Context(), s, source, "put", ""), storage.ErrFull)
	require.Equal(t, before, free(), "the room is back")
	require.Equal(t, []string{"before"}, storagetest.Keys(t, s, ""))

	storagetest.Put(t, s, "after", "small")
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.Delete(t.Context(), "before"), "a full disk can be emptied")
}

// TestDisk_killed lets a second process stage a file and kills it.
func TestDisk_killed(t *testing.T) {
	t.Parallel()
	s, dir := openDisk(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDisk_victim$")
	cmd.Env = append(os.Environ(), "STORAGE_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	_, err = cmd.StdinPipe() // stays open as long as we live
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var path string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if p, ok := strings.CutPrefix(lines.Text(), "staged "); ok {
			path = p
			break
		}
	}
	require.FileExists(t, path)
	// An hour has passed, and the process still writes: the file is its own.
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	n, err := s.Sweep(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Zero(t, n)

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.FileExists(t, path)
	require.Empty(t, storagetest.Keys(t, s, ""))
	n, err = s.Sweep(t.Context(), 2*time.Hour)
	require.NoError(t, err)
	require.Zero(t, n, "too young")
	n, err = s.Sweep(t.Context(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoFileExists(t, path)
}

// TestDisk_victim is the process that TestDisk_killed kills.
func TestDisk_victim(t *testing.T) {
	dir := os.Getenv("STORAGE_VICTIM")
	if dir == "" {
		return
	}
	s := open(t, storage.Config{URL: dir})
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	_, err = io.WriteString(staged, "half a file")
	require.NoError(t, err)
	fmt.Printf("\nstaged %s\n", staged.Path())
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed, or the killer is gone
}
