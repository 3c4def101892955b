package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"anb/cmd/internal/app"
	"anb/platform/audit"
)

func doctorCommand(g *global) *cobra.Command {
	var quick, repair bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what contradicts itself: rows, files, checksums, counters, jobs, processes",
		Long: `Compares the rows of videos with the files in storage and their checksums, the
counters with the votes, the jobs with their videos, and looks for encoders
that have outlived their worker on this machine. It changes nothing and may run
beside everything else. Each finding is a line; with any it exits with 1.

Checksums mean reading every file once. --quick compares sizes only.

--repair first mends what has only one right end, and says what it did: counters
become the number of their votes, a video that waits without a job gets one, a
job of a finished video is cancelled, and a job of a dead worker is handed to
another. It may run while people vote and workers work. Files are never touched
and rows never removed. Then it looks; it exits with 0 if all is well, and with
1 and a line for each finding that remains.`,
		Example: `  anb doctor
  anb doctor --quick
  anb doctor --repair --quick`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return once(cmd.Context(), g, func(ctx context.Context, a *app.App) error {
				if repair {
					if err := mend(ctx, a); err != nil {
						return err
					}
				}
				return examine(ctx, a, quick)
			})
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "compare the sizes of files and not their contents")
	c.Flags().BoolVar(&repair, "repair", false, "first mend counters and jobs")
	return c
}

func mend(ctx context.Context, a *app.App) error {
	repairs := 0
	err := a.Repair(ctx, func(f audit.Finding) {
		repairs++
		fmt.Println("repaired:", f)
	})
	if err != nil {
		return fmt.Errorf("could not repair everything, after %d repairs: %w", repairs, err)
	}
	fmt.Printf("%d repairs\n", repairs)
	return nil
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
