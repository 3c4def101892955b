package cmd

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/lifecycle"
)

func serveCommand(g *global) *cobra.Command {
	var port int
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer the REST API",
		Long: `Answers the REST API on http.addr. Needs PostgreSQL with a current schema (anb
migrate up), a storage, and ANB_AUTH_JWT_SECRET; it goes on without Redis.
SIGTERM lets open requests finish within http.shutdown_grace; a second signal
ends at once.`,
		Example: `  export DATABASE_URL=postgres://anb_user:…@localhost:5432/anb_db REDIS_URL=redis://localhost:6379/0
  export ANB_AUTH_JWT_SECRET_FILE=/run/secrets/jwt
  anb serve --port 8000`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, _, err := g.load(nil)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("port") {
				if err := setPort(&config, port); err != nil {
					return err
				}
			}
			if err := validate(config, true); err != nil {
				return err
			}
			return run(cmd.Context(), config, cmd.Name(), func(ctx context.Context, a *app.App) ([]lifecycle.Service, error) {
				if err := a.Ready(ctx); err != nil {
					return nil, err
				}
				services, err := a.Serve(ctx)
				if err != nil {
					return nil, err
				}
				return a.WithMetrics(ctx, services)
			})
		},
	}
	c.Flags().IntVar(&port, "port", 8000, "the port of http.addr")
	return c
}

// setPort keeps the host of http.addr.
func setPort(c *app.Config, port int) error {
	if port < 0 || port > 65535 {
		return usageError{fmt.Errorf("--port %d is not between 0 and 65535", port)}
	}
	host, _, err := net.SplitHostPort(c.HTTP.Addr)
	if err != nil {
		return nil // validation names it
	}
	c.HTTP.Addr = net.JoinHostPort(host, strconv.Itoa(port))
	return nil
}
