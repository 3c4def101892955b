package cmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"anb/cmd/internal/app"
	"anb/cmd/internal/backup"
	"anb/platform/logging"
)

func restoreCommand(g *global) *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Read an archive of anb backup into an empty platform, or only check it",
		Long: `Reads an archive into an empty database and into the storage. The database has
all of it, or nothing when the archive is cut off or altered, something fails,
or a signal comes; files that were restored are removed then. Stop the other
roles first. An archive of an older version is brought up to date.

A database with users, videos, votes or jobs is refused: make a new one. Files
that are there already are kept if they are the same, so that a database alone
can be restored beside its files, and an error if they differ; none is replaced.
Files of uploads after the backup stay where they are: anb doctor names the way
to look at them.

Sign-ins and tokens go on with the same auth.jwt_secret. Jobs that were under
way begin again. Then run: anb doctor.

--check reads an archive to its end, compares every checksum, and writes
nothing; it needs no database.`,
		Example: `  anb restore anb.backup
  anb restore --check anb.backup
  docker-compose run --rm -T api restore - < anb.backup
  docker-compose run --rm -T --no-deps api restore --check - < anb.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			signal.Ignore(syscall.SIGPIPE) // as in backup
			f, err := archive(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			if check {
				return checkArchive(cmd.Context(), g, f)
			}
			return restore(cmd.Context(), g, f)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "only tell whether the archive is whole")
	return c
}

// archive opens what an argument names; - is the standard input.
func archive(name string) (*os.File, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError{err}
		}
		return f, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, usageError{errors.New("no archive comes from a terminal: use - < FILE")}
	}
	return os.Stdin, nil
}

func restore(ctx context.Context, g *global, f *os.File) (err error) {
	begun := time.Now()
	c, _, err := g.load(nil)
	if err != nil {
		return err
	}
	if err := validate(c, false); err != nil {
		return err
	}
	in, err := backup.NewStream(ctx, f)
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, c, versionString(), logging.New(os.Stderr, c.Log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	done, err := a.Restore(ctx, in)
	if err != nil {
		return interrupted(ctx, err, "nothing is restored")
	}
	told(os.Stdout, "restored", done, begun)
	return nil
}

func checkArchive(ctx context.Context, g *global, f *os.File) error {
	begun := time.Now()
	c, _, err := g.load(nil)
	if err != nil {
		return err
	}
	if err := c.Log.Validate(); err != nil {
		return errors.Join(app.ErrConfig, err)
	}
	in, err := backup.NewStream(ctx, f)
	if err != nil {
		return err
	}
	done, err := backup.Check(ctx, in, logging.New(os.Stderr, c.Log))
	if err != nil {
		return interrupted(ctx, err, "the archive was not read to its end")
	}
	told(os.Stdout, "the archive is whole", done, begun)
	return nil
}
