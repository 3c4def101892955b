package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/lifecycle"
)

func workCommand(g *global) *cobra.Command {
	var (
		concurrency int
		queues      []string
	)
	c := &cobra.Command{
		Use:   "work",
		Short: "Process videos",
		Long: `Takes due jobs and turns uploads into published videos, several at once, each
with one thread of ffmpeg. Start as many workers as you like, on any machine
that reaches PostgreSQL, Redis and the storage. SIGTERM lets jobs finish within
work.drain, then hands them back; a second signal ends at once, and the jobs'
leases bring them back.`,
		Example: `  anb work --concurrency 2
  anb work --concurrency 1 --queues urgent_queue,video_queue`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := map[string]any{}
			if cmd.Flags().Changed("concurrency") {
				flags["work.concurrency"] = concurrency
			}
			if cmd.Flags().Changed("queues") {
				flags["work.queues"] = queues
			}
			config, _, err := g.load(flags)
			if err != nil {
				return err
			}
			if err := validate(config, false); err != nil {
				return err
			}
			return run(cmd.Context(), config, cmd.Name(), func(ctx context.Context, a *app.App) ([]lifecycle.Service, error) {
				if err := a.Ready(ctx); err != nil {
					return nil, err
				}
				services, err := a.Work(ctx)
				if err != nil {
					return nil, err
				}
				return a.WithMetrics(ctx, services)
			})
		},
	}
	c.Flags().IntVar(&concurrency, "concurrency", 1, "jobs at once (work.concurrency)")
	c.Flags().StringSliceVar(&queues, "queues", nil, "queues to work on, earlier ones first (work.queues)")
	return c
}
