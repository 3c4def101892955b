package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stderr is what a test reads while others write it.
type stderr struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *stderr) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Count(s.b.Bytes(), []byte(what))
}

func inFolder(dir string) Config { return Config{Level: "info", Format: "text", Dir: dir} }

// messages are those of the lines in a file; every line must be JSON.
func messages(t *testing.T, path string) (out []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		var m struct{ Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		out = append(out, m.Msg)
	}
	return out
}

func TestOpen_WarnsOnceOfAFolderThatCannotBeAndGoesOn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var w stderr
	log, end := Open(&w, inFolder(filepath.Join(file, "logs")), "serve", "host")
	for range 100 {
		log.Info("line")
	}
	end()
	require.Equal(t, 100, w.count("msg=line"))
	require.Equal(t, 1, w.count("level=WARN"), "%s", w.b.String())
	require.Equal(t, 1, w.count("log folder cannot be written"))
}

func TestOpen_LosesOnlyWhatAFullFolderCannotTake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") == "1" {
			require.NoError(t, err, "mount tmpfs")
		}
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	var w stderr
	log, end := Open(&w, inFolder(dir), "serve", "host")
	log.Info("first")
	filler := filepath.Join(dir, "filler")
	path := filepath.Join(dir, "anb-serve-host.log")
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, 5*time.Second, time.Millisecond)
	require.Error(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600), "the disk is small")
	for range 200 {
		log.Info("does not fit " + strings.Repeat("x", 100))
	}
	require.Eventually(t, func() bool { return w.count("log folder cannot be written") == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(filler))
	log.Info("fits again")
	end()
	require.Equal(t, 200, w.count(`msg="does not fit`), "all are on stderr")
	require.Equal(t, 1, w.count("log folder is written again"))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), `"msg":"first"}`+"\n")
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	require.True(t, json.Valid([]byte(lines[len(lines)-1])), "what follows half a line is a line of its own")
}

// hung is a disk that does not answer until it is released.
type hung struct {
	io.Writer
	release chan struct{}
}

func (h hung) Write(p []byte) (int, error) {
	<-h.release
	return h.Writer.Write(p)
}

func (h hung) Close() error { return nil }

func TestFolder_ThatHangsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w stderr
		var got bytes.Buffer
		f := openFolder(t.TempDir(), "serve", "host", New(&w, inFolder("")))
		disk := hung{&got, make(chan struct{})}
		f.out = disk
		began := time.Now()
		for i := range 3 * queued {
			n, err := fmt.Fprintf(f, "%d\n", i)
			require.NoError(t, err)
			require.Positive(t, n)
			if i == 0 {
				synctest.Wait() // the first line is being written
			}
		}
		require.Zero(t, time.Since(began))
		f.Close()
		require.Equal(t, closePatience, time.Since(began))
		require.Equal(t, 1, w.count("log folder hangs"))
		close(disk.release)
		<-f.stopped
		require.Equal(t, queued+1, bytes.Count(got.Bytes(), []byte("\n")), "those that were queued")
		require.Equal(t, 1, w.count(fmt.Sprintf("lost=%d", 2*queued-1)))
	})
}

func TestFileName_StaysInItsFolder(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"":                        "anb-serve-unknown.log",
		"a1b2c3d4e5f6":            "anb-serve-a1b2c3d4e5f6.log",
		"Node-1.example.co":       "anb-serve-Node-1.example.co.log",
		"../../etc/passwd":        "anb-serve-_.._etc_passwd.log",
		"..":                      "anb-serve-unknown.log",
		"a\x00b\nc d":             "anb-serve-a_b_c_d.log",
		"niño":                    "anb-serve-ni_o.log",
		strings.Repeat("h", 5000): "anb-serve-" + strings.Repeat("h", 64) + ".log",
	} {
		name := fileName("serve", host)
		require.Equal(t, want, name)
		require.Equal(t, name, filepath.Base(name))
		require.Regexp(t, oursInFolder, name)
	}
}

func TestOpen_AppendsTheSameLinesAsJSONForTheGroupToRead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "yet")
	for _, first := range []string{"one", "three"} { // a restart goes on in the same file
		var w stderr
		log, end := Open(&w, inFolder(dir), "work", "host")
		log.InfoContext(WithRequestID(t.Context(), "r-1"), first)
		log.Debug("quiet")
		log.Warn("next")
		end()
		log.Info("too late for the folder")
		require.Equal(t, 1, w.count("request_id=r-1"))
		require.Zero(t, w.count("quiet"))
		require.Equal(t, 1, w.count("too late"))
	}
	path := filepath.Join(dir, "anb-work-host.log")
	require.Equal(t, []string{"one", "next", "three", "next"}, messages(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(data), `"request_id":"r-1"`))
}

func TestOpen_KeepsFiveOldFilesOfTenMiB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var w stderr
	f := openFolder(dir, "serve", "host", New(&w, inFolder("")))
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 75 {
		f.put(line) // not through the queue, which would drop what the disk is too slow for
	}
	f.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1+oldFiles)
	for _, path := range files {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(fileMiB<<20))
		require.Equal(t, os.FileMode(0o640), info.Mode())
		require.Equal(t, "anb-serve-host", oursInFolder.FindStringSubmatch(filepath.Base(path))[1], "forgotten with its process")
	}
	require.Empty(t, w.b.String())
}

func TestFolder_ForgetsEachDayWhatIsLongUnwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		place := func(name string, age time.Duration) {
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
		}
		names := func() (out []string) {
			synctest.Wait()
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				out = append(out, e.Name())
			}
			return out
		}
		const aside = "-2026-01-01T00-00-00.000-size.log"
		place("anb-serve-gone.log", keepFor)
		place("anb-work-gone"+aside, 100*keepFor)
		place("anb-serve-lives.log", keepFor-time.Hour)
		place("anb-serve-lives"+aside, 100*keepFor)
		place("anb-monitor-host"+aside, 100*keepFor) // its own, before a restart
		place("access.log", 100*keepFor)
		place("serve-mail.log", 100*keepFor) // another program's
		place("anb-serve-notes.txt", 100*keepFor)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "anb-serve-folder.log"), 0o750))
		require.NoError(t, os.Chtimes(filepath.Join(dir, "anb-serve-folder.log"), time.Time{}, time.Now().Add(-100*keepFor)))
		var w stderr
		f := openFolder(dir, "monitor", "host", New(&w, inFolder("")))
		stay := []string{"access.log", "anb-monitor-host" + aside, "anb-serve-folder.log", "anb-serve-notes.txt", "serve-mail.log"}
		lives := []string{"anb-serve-lives" + aside, "anb-serve-lives.log"}
		require.ElementsMatch(t, slices.Concat(stay, lives), names())
		time.Sleep(25 * time.Hour)
		require.ElementsMatch(t, stay, names())
		f.Close()
		require.Empty(t, w.b.String())
	})
}
