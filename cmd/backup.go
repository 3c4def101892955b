package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"anb/cmd/internal/app"
	"anb/cmd/internal/backup"
)

func backupCommand(g *global) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "backup",
		Short: "Write the database and the files into one archive, while everything goes on",
		Long: `Writes one archive to the standard output, or to a file: all rows as they are at
one moment, and the files that they name. Whatever was acknowledged before it
began is in it; uploads, processing and votes go on. Redis is not in it, as it
only wakes workers, nor are secrets: keep those, above all auth.jwt_secret, as
tokens are good only with it. Password hashes and e-mail addresses are in it:
keep it where only you can read it.

A file that is missing, damaged or unreadable although its row is there does not
keep the others from being saved. It is named, and the exit code is 1; the
archive can be restored all the same. "anb restore --check" tells whether an
archive is whole. It is a tar file: tar -tf lists it.`,
		Example: `  anb backup --to /backups/$(date +%F).anb
  anb backup > anb.backup
  docker-compose exec -T api anb backup > anb.backup
  anb backup | ssh vault 'cat > anb.backup'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // who no longer reads our words must not end the process
			if to == "" && term.IsTerminal(int(os.Stdout.Fd())) {
				return usageError{errors.New("the archive is not for a terminal: use --to FILE, or > FILE")}
			}
			if to != "" {
				if err := vacant(to); err != nil {
					return err
				}
			}
			return once(cmd.Context(), g, func(ctx context.Context, a *app.App) error { return save(ctx, a, to) })
		},
	}
	c.Flags().StringVar(&to, "to", "", "a new file, written whole or not at all; else the standard output")
	return c
}

func save(ctx context.Context, a *app.App, to string) error {
	begun := time.Now()
	var done backup.Summary
	write := func(f *os.File) (err error) {
		out, err := backup.NewStream(ctx, f)
		if err == nil {
			done, err = a.Backup(ctx, out)
		}
		return interrupted(ctx, err, "the archive is not whole")
	}
	var err error
	if to == "" {
		err = write(os.Stdout)
	} else {
		err = wholeFile(to, write)
	}
	if err != nil {
		return err
	}
	told(os.Stderr, "backed up", done, begun)
	if len(done.Flaws) > 0 {
		return fmt.Errorf("the archive is whole, but %d files are not as their rows say", len(done.Flaws))
	}
	return nil
}

// told prints what was done, and what was wrong before.
func told(w io.Writer, what string, s backup.Summary, begun time.Time) {
	for _, f := range s.Flaws {
		fmt.Fprintln(w, f)
	}
	if s.Gone > 0 {
		fmt.Fprintf(w, "left out: %d videos that were deleted meanwhile\n", s.Gone)
	}
	fmt.Fprintf(w, "%s: %d rows, %d files, %d bytes of files, as of %s by %q, in %.1f s\n",
		what, s.Rows, s.Files, s.Bytes, s.Made.Format(time.RFC3339), s.By, time.Since(begun).Seconds())
}

// interrupted says first that a signal ended the work, and what that means.
func interrupted(ctx context.Context, err error, means string) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted, %s: %w", means, err)
	}
	return err
}

// wholeFile makes a file that only its owner can read, and that has its name
// once write has succeeded and all is on the disk. It never replaces one.
func wholeFile(path string, write func(*os.File) error) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: another backup writes it, or was killed; then remove it", part)
	}
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = nameNew(part, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s is written and whole, but perhaps not yet on the disk: %w", path, err)
	}
	return nil
}

// nameNew gives a file its name, never another's: a rename would replace.
func nameNew(part, path string) error {
	err := os.Link(part, path)
	if err == nil {
		return os.Remove(part)
	}
	// Somebody may have made it meanwhile, or the file system has no links.
	if err := vacant(path); err != nil {
		return err
	}
	return os.Rename(part, path)
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// vacant fails when the path names something.
func vacant(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return usageError{fmt.Errorf("%s exists already; a backup replaces nothing", path)}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}
