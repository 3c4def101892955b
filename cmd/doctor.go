package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/audit"
)

func doctorCommand(g *global) *cobra.Command {
	var quick bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what contradicts itself: rows, files, checksums, counters, jobs, processes",
		Long: `Compares the rows of videos with the files in storage and their checksums, the
counters with the votes, the jobs with their videos, and looks for encoders
that have outlived their worker on this machine. It changes nothing and may run
beside everything else. Each finding is a line; with any it exits with 1.

Checksums mean reading every file once. --quick compares sizes only.`,
		Example: `  anb doctor
  anb doctor --quick`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return once(cmd.Context(), g, func(ctx context.Context, a *app.App) error { return examine(ctx, a, quick) })
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "compare the sizes of files and not their contents")
	return c
}

func examine(ctx context.Context, a *app.App, quick bool) error {
	findings := 0
	videos, err := a.Audit(ctx, quick, func(f audit.Finding) {
		findings++
		fmt.Println(f)
	})
	if err != nil {
		return fmt.Errorf("could not look at everything, after %d videos and %d findings: %w", videos, findings, err)
	}
	if findings > 0 {
		return fmt.Errorf("%d findings in %d videos", findings, videos)
	}
	fmt.Printf("all is well with %d videos\n", videos)
	return nil
}
