package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/db"
	"anb/platform/database"
	"anb/platform/logging"
)

func migrateCommand(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date, or look at it",
		Long: `Applies the schema's migrations under a lock, so that any number may run at
once. Run "anb migrate up" before starting a new version: the running one still
works on the new schema.`,
		Example: `  anb migrate up
  anb migrate status`,
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usageError{errors.New("name one of up, down, status, version")}
		},
	}
	sub := func(use, short string, f func(context.Context, *goose.Provider) error) {
		c.AddCommand(&cobra.Command{
			Use: use, Short: short, Example: "  anb migrate " + use,
			RunE: func(cmd *cobra.Command, _ []string) error {
				config, _, err := g.load(nil)
				if err != nil {
					return err
				}
				if err := errors.Join(config.Database.Validate(), config.Log.Validate()); err != nil {
					return errors.Join(app.ErrConfig, err)
				}
				return withMigrations(cmd.Context(), config.Database, logging.New(os.Stderr, config.Log), f)
			},
		})
	}
	sub("up", "Apply all migrations that are missing", func(ctx context.Context, p *goose.Provider) error {
		done, err := p.Up(ctx)
		if err == nil {
			fmt.Printf("%d migrations applied, the schema is current\n", len(done))
		}
		return err
	})
	sub("down", "Undo the newest migration (its data is lost)", func(ctx context.Context, p *goose.Provider) error {
		done, err := p.Down(ctx)
		if err == nil {
			fmt.Printf("undone: %s\n", done.Source.Path)
		}
		return err
	})
	sub("status", "List the migrations and when they were applied", func(ctx context.Context, p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, s := range all {
			at := "missing"
			if s.State == goose.StateApplied {
				at = s.AppliedAt.UTC().Format(time.RFC3339)
			}
			fmt.Printf("%-24s %s\n", at, s.Source.Path)
		}
		return err
	})
	sub("version", "Print the version of the schema", func(ctx context.Context, p *goose.Provider) error {
		v, err := p.GetDBVersion(ctx)
		if err == nil {
			fmt.Println(v)
		}
		return err
	})
	return c
}

// withMigrations opens the database for as long as f needs it, waiting for it
// to answer.
func withMigrations(ctx context.Context, c database.Config, log *slog.Logger, f func(context.Context, *goose.Provider) error) (err error) {
	d, err := database.Open(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := app.WaitFor(ctx, log, "database", d.Ping); err != nil {
		return err
	}
	pool, err := d.SQL()
	if err != nil {
		return err
	}
	p, err := db.Provider(pool, string(d.Dialect()), log)
	if err != nil {
		return err
	}
	return f(ctx, p)
}

func migrateUp(ctx context.Context, c app.Config, log *slog.Logger) error {
	return withMigrations(ctx, c.Database, log, func(ctx context.Context, p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}
