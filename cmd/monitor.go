package cmd

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/lifecycle"
)

func monitorCommand(g *global) *cobra.Command {
	var (
		port          int
		flowerMetrics bool
	)
	c := &cobra.Command{
		Use:   "monitor",
		Short: "Show operators what goes on, and let them mend it",
		Long: `Serves the dashboard on monitor.addr, http://127.0.0.1:5555 unless told
otherwise: overview, jobs, queues, workers, the dead-letter list, the audit; an
API under /api/v1, the paths that scripts for Flower call, and /metrics. Beyond
this machine it needs users: see anb monitor hash-password. Needs PostgreSQL with
a current schema (anb migrate up); it goes on, and says so, while PostgreSQL or
Redis is away.`,
		Example: `  anb monitor                              # on this machine, nobody has to sign in
  ANB_MONITOR_ADMIN_PASSWORD_FILE=/run/secrets/monitor ANB_MONITOR_ADDR=0.0.0.0:5555 anb monitor
  anb monitor hash-password --name ana --role operator >> users.txt
  ANB_MONITOR_USERS_FILE=users.txt anb monitor --port 5556`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]any{}
			if cmd.Flags().Changed("flower-metrics") {
				flags["monitor.flower_metrics"] = flowerMetrics
			}
			config, _, err := g.load(flags)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				setMonitorPort(&config, port)
			}
			if err := validateMonitor(config); err != nil {
				return err
			}
			return runMonitor(cmd.Context(), config, cmd.Name())
		},
	}
	c.Flags().IntVar(&port, "port", 5555, "the port of monitor.addr")
	c.Flags().BoolVar(&flowerMetrics, "flower-metrics", false, "the flower_* metrics too (monitor.flower_metrics)")
	c.AddCommand(hashPasswordCommand(), monitorTokenCommand())
	return c
}

// setMonitorPort keeps the host of monitor.addr; validation names what is wrong
// with it.
func setMonitorPort(c *app.Config, port int) {
	if host, _, err := net.SplitHostPort(c.Monitor.Addr); err == nil {
		c.Monitor.Addr = net.JoinHostPort(host, strconv.Itoa(port))
	}
}

// validateMonitor reports all problems as one configuration error.
func validateMonitor(c app.Config) error {
	if err := errors.Join(c.Validate(false), c.Monitor.Validate()); err != nil {
		return errors.Join(app.ErrConfig, err)
	}
	return nil
}

// runMonitor runs the dashboard until ctx ends.
func runMonitor(ctx context.Context, c app.Config, name string) (err error) {
	log, end := openLog(c.Log, name)
	defer end()
	a, err := app.OpenMonitor(ctx, c, versionString(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while starting
		}
		return err
	}
	services, err := a.Monitor(ctx)
	if err != nil {
		return err
	}
	if services, err = a.WithMetrics(ctx, services); err != nil {
		return err
	}
	defer log.Info("stopped")
	return lifecycle.Run(ctx, log, services...)
}
