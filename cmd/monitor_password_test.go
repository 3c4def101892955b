package cmd

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"anb/modules/monitor/access"
)

// ran is a command run with in as its standard input.
func ran(t *testing.T, c *cobra.Command, in io.Reader, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, problems bytes.Buffer
	c.SetArgs(args)
	c.SetIn(in)
	c.SetOut(&out)
	c.SetErr(&problems)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(t.Context())
	return out.String(), problems.String(), err
}

func TestHashPassword_RefusesWhatIsWeakOrWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		args []string
		says string
	}{
		"nothing":   {"", nil, "at least 12"},
		"short":     {"hush-9Z\n", nil, "has 7 characters"},
		"guessable": {"changeme1234\n", nil, "tried first"},
		"the name":  {"ana.maria.perez\n", []string{"--name", "ana.maria.perez"}, "is the name"},
		"bad name":  {"kiosko-verde-87\n", []string{"--name", "a:b"}, "the name must"},
		"bad role":  {"kiosko-verde-87\n", []string{"--role", "boss"}, "viewer, operator or admin"},
	} {
		out, _, err := ran(t, hashPasswordCommand(), strings.NewReader(tt.in), tt.args...)
		var usage usageError
		require.ErrorAs(t, err, &usage, "exit code 2: "+name)
		require.ErrorContains(t, err, tt.says, name)
		require.NotContains(t, err.Error(), "hush", name)
		require.Empty(t, out, name)
	}
	_, _, err := ran(t, hashPasswordCommand(), broken{})
	require.ErrorIs(t, err, errBroken)
}

func TestHashPassword_PrintsALineThatTheConfigurationTakes(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"kiosko-verde-87", "kiosko-verde-87\n", "kiosko-verde-87\r\nmore\n"} {
		out, problems, err := ran(t, hashPasswordCommand(), strings.NewReader(in), "--name", "ana", "--role", "operator")
		require.NoError(t, err)
		require.Empty(t, problems)
		require.True(t, strings.HasPrefix(out, "ana:operator:$argon2id$"), out)
		require.NotContains(t, out, "kiosko")
		require.NoError(t, access.Config{Addr: "0.0.0.0:5555", Users: out, SessionTTL: time.Hour}.Validate())
	}
	out, _, err := ran(t, hashPasswordCommand(), strings.NewReader("kiosko-verde-87"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "admin:admin:"), out)
}

func TestMonitorToken_PrintsATokenAndItsLine(t *testing.T) {
	t.Parallel()
	out, _, err := ran(t, monitorTokenCommand(), nil, "--name", "ci", "--role", "operator")
	require.NoError(t, err)
	token, line, ok := strings.Cut(strings.TrimSpace(out), "\n")
	require.True(t, ok)
	require.True(t, strings.HasPrefix(token, "anbm_"), token)
	require.True(t, strings.HasPrefix(line, "ci:operator:"), line)
	require.NoError(t, access.Config{Addr: "0.0.0.0:5555", Tokens: line, SessionTTL: time.Hour}.Validate())
	_, _, err = ran(t, monitorTokenCommand(), nil, "--name", "a b")
	var usage usageError
	require.ErrorAs(t, err, &usage)
}

func TestTyped_AsksTwice(t *testing.T) {
	t.Parallel()
	answers := func(given ...string) func() ([]byte, error) {
		return func() ([]byte, error) {
			if len(given) == 0 {
				return nil, errBroken
			}
			one := given[0]
			given = given[1:]
			return []byte(one), nil
		}
	}
	var prompts bytes.Buffer
	got, err := typed(&prompts, answers("kiosko", "kiosko"))
	require.NoError(t, err)
	require.Equal(t, "kiosko", got)
	require.Equal(t, "Password: \nAgain: \n", prompts.String())
	_, err = typed(io.Discard, answers("kiosko", "kiosco"))
	require.ErrorContains(t, err, "differ")
	_, err = typed(io.Discard, answers("kiosko"))
	require.ErrorIs(t, err, errBroken)
}

func TestMonitorCommands_ShowExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []*cobra.Command{hashPasswordCommand(), monitorTokenCommand()} {
		out, _, err := ran(t, c, nil, "--help")
		require.NoError(t, err)
		require.Contains(t, out, "Examples:")
		require.Contains(t, out, "--role")
	}
}

var errBroken = errors.New("broken")

// broken is an input that cannot be read.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }
