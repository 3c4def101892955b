// Package cmd holds the commands of anb, one file for each role.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/lifecycle"
	"anb/platform/logging"
)

// version is set by the linker: -ldflags "-X anb/cmd.version=1.2.3".
var version string

// Exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2 // wrong arguments or configuration
)

// Execute runs anb with the given arguments until ctx ends, and returns the
// exit code. defaults is the content of config.yaml.
func Execute(ctx context.Context, defaults []byte, args []string) int {
	root := rootCommand(defaults)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "anb:", err)
	var u usageError
	if errors.As(err, &u) || errors.Is(err, app.ErrConfig) {
		return exitUsage
	}
	return exitFailure
}

// usageError marks wrong arguments.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func rootCommand(defaults []byte) *cobra.Command {
	root := &cobra.Command{
		Use:   "anb",
		Short: "The platform of the ANB Rising Stars Showcase",
		Long: `anb receives players' clips, cuts and brands them, publishes them, and counts
the votes. One program, several roles: serve answers the API, work processes
videos, migrate brings the schema up to date; dev is all of them in one process.`,
		Example: `  anb dev                                  # everything on http://localhost:8000, no servers needed
  anb migrate up                           # before the others, after each update
  anb serve --port 8000
  anb work --concurrency 2 --queues video_queue
  anb doctor                               # what contradicts itself
  anb backup --to anb.backup               # database and files, while all goes on
  anb config check                         # the configuration in force`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usageError{errors.New("name a command")}
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see --help", err)}
	})
	g := &global{defaults: defaults}
	root.PersistentFlags().StringVar(&g.file, "config", os.Getenv("ANB_CONFIG"), "a configuration file (or ANB_CONFIG); none is needed")
	root.AddCommand(serveCommand(g), workCommand(g), devCommand(g), monitorCommand(g), migrateCommand(g), configCommand(g), healthcheckCommand(g), janitorCommand(g), doctorCommand(g), backupCommand(g), restoreCommand(g), versionCommand())
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments usage errors, for c and below.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{fmt.Errorf("%w; see --help", err)}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// global is what all commands share.
type global struct {
	defaults []byte
	file     string
}

// load reads the configuration of a role that needs everything.
func (g *global) load(flags map[string]any) (app.Config, *app.Effective, error) {
	return app.Load(app.Source{Defaults: g.defaults, File: g.file, Environ: os.Environ(), Flags: flags, SeedNames: true})
}

// openLog returns the logger of a role that runs until it is stopped, and what
// writes its last lines.
func openLog(c logging.Config, role string) (*slog.Logger, func()) {
	host, _ := os.Hostname() // one without a name is "unknown"
	return logging.Open(os.Stderr, c, role, host)
}

// run opens the application, waits for its database, and runs the services
// that the named role makes until ctx ends.
func run(ctx context.Context, c app.Config, name string, role func(context.Context, *app.App) ([]lifecycle.Service, error)) (err error) {
	log, end := openLog(c.Log, name)
	defer end()
	a, err := app.Open(ctx, c, versionString(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	services, err := role(ctx, a)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped while starting
		}
		return err
	}
	defer log.Info("stopped")
	return lifecycle.Run(ctx, log, services...)
}

// once does what needs the database and the storage, and ends.
func once(ctx context.Context, g *global, do func(context.Context, *app.App) error) (err error) {
	c, _, err := g.load(nil)
	if err != nil {
		return err
	}
	if err := validate(c, false); err != nil {
		return err
	}
	a, err := app.Open(ctx, c, versionString(), logging.New(os.Stderr, c.Log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.Ready(ctx); err != nil {
		return err
	}
	return do(ctx, a)
}

// validate reports all problems of c as one configuration error.
func validate(c app.Config, signing bool) error {
	if err := c.Validate(signing); err != nil {
		return errors.Join(app.ErrConfig, err)
	}
	return nil
}

// versionString is the linker's version, or what Go knows of the build.
func versionString() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
