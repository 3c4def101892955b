package cmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/lifecycle"
	"anb/platform/logging"
	"anb/platform/taskbus"
)

func devCommand(g *global) *cobra.Command {
	var (
		data              string
		port, monitorPort int
	)
	c := &cobra.Command{
		Use:   "dev",
		Short: "Everything in one process, without servers",
		Long: `Runs serve, work and monitor in one process with SQLite and a Redis of its own; all data
is under ./data, and deleting that folder starts afresh. For a laptop: not for
the public. DATABASE_URL and REDIS_URL are not read here.`,
		Example: `  anb dev
  anb dev --data /tmp/try --port 8001 --monitor-port 5556`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := g.devConfig(data)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				if err := setPort(&config, port); err != nil {
					return err
				}
			}
			redis, err := taskbus.StartEmbedded()
			if err != nil {
				return err
			}
			defer redis.Close()
			config.Redis.URL = redis.URL()
			if cmd.Flags().Changed("monitor-port") {
				setMonitorPort(&config, monitorPort)
			}
			if err := validateAll(config); err != nil {
				return err
			}
			if err := migrateUp(cmd.Context(), config, logging.New(os.Stderr, logging.Config{Level: "warn", Format: "text"})); err != nil {
				return err
			}
			return run(cmd.Context(), config, cmd.Name(), devServices)
		},
	}
	c.Flags().StringVar(&data, "data", "data", "the folder for everything")
	c.Flags().IntVar(&port, "port", 8000, "the port of http.addr")
	c.Flags().IntVar(&monitorPort, "monitor-port", 5555, "the port of monitor.addr, the dashboard's")
	return c
}

func devServices(ctx context.Context, a *app.App) ([]lifecycle.Service, error) {
	if err := a.Ready(ctx); err != nil {
		return nil, err
	}
	serve, err := a.Serve(ctx)
	if err != nil {
		return nil, err
	}
	work, err := a.Work(ctx)
	if err != nil {
		return nil, err
	}
	dashboard, err := a.Monitor(ctx)
	if err != nil {
		return nil, err
	}
	return a.WithMetrics(ctx, slices.Concat(serve, work, dashboard))
}

// validateAll reports all problems of all roles as one configuration error.
func validateAll(c app.Config) error {
	if err := errors.Join(c.Validate(true), c.Monitor.Validate()); err != nil {
		return errors.Join(app.ErrConfig, err)
	}
	return nil
}

// devConfig is the configuration with everything under one folder, and with a
// secret of its own. What a file or ANB_… sets still wins.
func (g *global) devConfig(data string) (app.Config, error) {
	if err := os.MkdirAll(data, 0o750); err != nil {
		return app.Config{}, fmt.Errorf("make the data folder: %w", err)
	}
	secret, err := ownSecret(filepath.Join(data, "jwt_secret"))
	if err != nil {
		return app.Config{}, err
	}
	config, _, err := app.Load(app.Source{
		Defaults: g.defaults, File: g.file, Environ: os.Environ(),
		Overrides: map[string]string{
			"auth.jwt_secret":      secret,
			"database.url":         "sqlite:" + filepath.Join(data, "anb.db"),
			"storage.originals":    filepath.Join(data, "uploads"),
			"storage.processed":    filepath.Join(data, "processed_videos"),
			"processing.work_dir":  filepath.Join(data, "work"),
			"processing.cache_dir": filepath.Join(data, "cache"),
			// Ctrl-C must end within five seconds; what is cut goes on at the next start.
			"work.drain":          "1s",
			"http.shutdown_grace": "2s",
		},
	})
	return config, err
}

// ownSecret reads the secret in the file at path, or makes one there.
func ownSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return string(b), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	secret := hex.EncodeToString(raw)
	// Whole or not at all: a crash must not leave half a secret.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(secret), 0o600); err != nil {
		return "", fmt.Errorf("write the secret: %w", err)
	}
	return secret, os.Rename(tmp, path)
}
