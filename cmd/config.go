package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func configCommand(g *global) *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Look at the configuration", Example: "  anb config check",
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Usage()
			return usageError{errors.New("name check")}
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Print the configuration in force, secrets masked, and every problem in it",
		Long: `Prints the configuration that all roles would use here: the built-in
defaults, the file, and the environment, in this order. Secrets are masked. When
something is wrong every problem is listed and the exit code is 2.`,
		Example: "  anb config check\n  ANB_HTTP_ADDR=0.0.0.0:80 anb config check --config anb.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, effective, err := g.load(nil)
			if err != nil {
				return err
			}
			out, err := yaml.Marshal(effective.Masked())
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), string(out))
			return validateAll(config)
		},
	})
	return c
}
