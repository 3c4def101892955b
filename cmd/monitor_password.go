package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"anb/modules/monitor/access"
)

// maxTyped is how much of the standard input is read for a password, in bytes.
const maxTyped = 4 << 10

func hashPasswordCommand() *cobra.Command {
	var name, role string
	c := &cobra.Command{
		Use:   "hash-password",
		Short: "Hash a password for a user of the dashboard",
		Long: `Reads a password, from the terminal twice and unseen or else the first line of
the standard input, and prints a line for monitor.users. Put that into a file and
name it in ANB_MONITOR_USERS_FILE: in a variable, shells and compose replace what
follows a $.`,
		Example: `  anb monitor hash-password --name ana --role operator >> users.txt
  openssl rand -base64 18 | tee /dev/stderr | anb monitor hash-password --name ana`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return usageError{err}
			}
			line, err := access.NewUser(name, access.Role(role), password)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	nameAndRole(c, &name, &role, "admin")
	return c
}

func monitorTokenCommand() *cobra.Command {
	var name, role string
	c := &cobra.Command{
		Use:   "token",
		Short: "Make a token for a script that asks the dashboard",
		Long: `Prints a new token, which is shown this once, and after it the line for
monitor.tokens, from which nobody can find the token again. A script sends it as
"Authorization: Bearer <token>", or by Basic after the name.`,
		Example: `  anb monitor token --name prometheus --role viewer
  curl -H "Authorization: Bearer anbm_…" http://localhost:5555/metrics`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, line, err := access.NewToken(name, access.Role(role))
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", token, line)
			return err
		},
	}
	nameAndRole(c, &name, &role, "viewer")
	return c
}

func nameAndRole(c *cobra.Command, name, role *string, usual string) {
	c.Flags().StringVar(name, "name", usual, "who it is: letters, digits and . _ @ -")
	c.Flags().StringVar(role, "role", usual, "what that may do: viewer, operator or admin")
}

// readPassword reads a password from in: from a terminal twice and without
// showing it, else the first line.
func readPassword(in io.Reader, prompts io.Writer) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return typed(prompts, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxTyped)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// typed asks for a password twice.
func typed(prompts io.Writer, read func() ([]byte, error)) (string, error) {
	var given [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		_, _ = fmt.Fprint(prompts, prompt)
		b, err := read()
		_, _ = fmt.Fprintln(prompts)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		given[i] = string(b)
	}
	if given[0] != given[1] {
		return "", errors.New("the two passwords differ")
	}
	return given[0], nil
}
