package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/cmd/internal/backup"
)

func TestWholeFile_IsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "anb.backup")
	full := errors.New("no room")
	require.ErrorIs(t, wholeFile(path, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(err, full)
	}), full)
	require.NoFileExists(t, path)
	require.NoFileExists(t, path+".part")

	require.NoError(t, wholeFile(path, func(f *os.File) error {
		require.ErrorContains(t, wholeFile(path, nil), "another backup writes it")
		require.FileExists(t, path+".part", "it is the first one's")
		_, err := f.WriteString("whole")
		return err
	}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoFileExists(t, path+".part")

	require.ErrorContains(t, wholeFile(path, func(*os.File) error { return nil }), "replaces nothing")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "whole", string(data))
	require.NoFileExists(t, path+".part")
	require.Error(t, wholeFile(filepath.Join(path, "x"), nil), "not in a folder")
}

func TestNameNew_ReplacesNothingThatIsMadeMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 500 {
		path := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, os.WriteFile(path+".part", []byte("ours"), 0o600))
		ready, theirs := make(chan struct{}), make(chan error, 1)
		go func() {
			close(ready)
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err == nil {
				_, err = f.WriteString("theirs")
				err = errors.Join(err, f.Close())
			}
			theirs <- err
		}()
		<-ready
		ours := nameNew(path+".part", path)
		want := "ours"
		if <-theirs == nil {
			require.ErrorContains(t, ours, "replaces nothing")
			want = "theirs"
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestInterrupted_IsOnlyWhatASignalEnded(t *testing.T) {
	t.Parallel()
	silent := fmt.Errorf("read: %w", context.Canceled) // a storage that was silent for too long
	require.Equal(t, silent, interrupted(t.Context(), silent, "nothing is restored"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, interrupted(ctx, os.ErrClosed, "nothing is restored"), "interrupted, nothing is restored")
	require.NoError(t, interrupted(ctx, nil, "nothing is restored"))
}

func TestTold_PrintsNothingOfAnArchiveRaw(t *testing.T) {
	t.Parallel()
	const escape = "\x1b]0;owned\a"
	var out bytes.Buffer
	told(&out, "restored", backup.Summary{By: escape, Flaws: []backup.Flaw{{Detail: escape}}}, time.Now())
	require.NotContains(t, out.String(), escape)
}

func TestRestoreCheck_NeedsNoServerAndTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "anb.backup")
	require.NoError(t, os.WriteFile(path, []byte("this is no archive"), 0o600))
	code, _, problems := anb(t, nil, "restore", "--check", path)
	require.Equal(t, 1, code)
	require.Contains(t, problems, "damaged or cut off")
	code, _, problems = anb(t, nil, "restore", "--check", "-") // an empty standard input
	require.Equal(t, 1, code)
	require.Contains(t, problems, "ends too early")
}

func TestBackup_IsOfPostgreSQLOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"DATABASE_URL=sqlite:" + filepath.Join(dir, "anb.db"), "ANB_STORAGE_ORIGINALS=" + filepath.Join(dir, "o"), "ANB_STORAGE_PROCESSED=" + filepath.Join(dir, "p")}
	code, _, problems := anb(t, env, "migrate", "up")
	require.Equal(t, 0, code, problems)
	code, _, problems = anb(t, env, "backup", "--to", filepath.Join(dir, "anb.backup"))
	require.Equal(t, 1, code)
	require.Contains(t, problems, "copy its folder")
	require.NoFileExists(t, filepath.Join(dir, "anb.backup.part"))
}
