package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
)

func janitorCommand(g *global) *cobra.Command {
	var dryRun, force bool
	c := &cobra.Command{
		Use:   "janitor",
		Short: "Remove files without rows, leftovers of dead processes and expired sessions, once",
		Long: `Does at once what serve and work do every work.janitor_interval: removes files
that no row refers to and nobody has written to for processing.grace, what dead
processes began to write, and expired sessions. Rows of videos, votes and jobs
are never removed.

When the database looks restored from an older backup it removes nothing and
exits with 1, since files without rows may then be all that is left of uploads.`,
		Example: `  anb janitor --dry-run            # what would be removed, by name
  anb janitor
  anb janitor --dry-run --force    # what is without a row after a restored backup`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return once(cmd.Context(), g, func(ctx context.Context, a *app.App) error { return tidy(ctx, a, dryRun, force) })
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "remove nothing, only tell")
	c.Flags().BoolVar(&force, "force", false, "go on although the database looks restored from an older backup")
	return c
}

func tidy(ctx context.Context, a *app.App, dryRun, force bool) error {
	done, err := a.Tidy(ctx, dryRun, force)
	if err != nil {
		return err
	}
	if dryRun {
		fmt.Printf("would remove: %d files without rows (%d bytes)\n", done.Files, done.Bytes)
		return nil
	}
	fmt.Printf("removed: %d files without rows (%d bytes), %d files of dead processes, %d expired sessions\n",
		done.Files, done.Bytes, done.Staged, done.Sessions)
	return nil
}
