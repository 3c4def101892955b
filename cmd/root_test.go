package cmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be anb itself: exit codes, flags and
// environment are those of a real process.
func TestMain(m *testing.M) {
	if os.Getenv("ANB_TEST_AS_PROGRAM") == "" {
		os.Exit(m.Run())
	}
	defaults, err := os.ReadFile("../config.yaml")
	if err != nil {
		panic(err)
	}
	os.Exit(Execute(UntilSignal(context.Background()), defaults, os.Args[1:]))
}

// anb runs a command with only env as its environment.
func anb(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append([]string{"ANB_TEST_AS_PROGRAM=1", "PATH=" + os.Getenv("PATH")}, env...)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	_ = c.Run() // the code tells
	require.NotNil(t, c.ProcessState)
	return c.ProcessState.ExitCode(), out.String(), problems.String()
}

func TestExecute_UsageErrorsExit2(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("http:\n\taddr: x\n"), 0o600))
	const secret = "ANB_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef"
	for name, tt := range map[string]struct {
		env  []string
		args []string
		says string
	}{
		"no arguments":        {nil, nil, "command"},
		"unknown command":     {nil, []string{"foo"}, "foo"},
		"unknown subcommand":  {nil, []string{"migrate", "foo"}, "foo"},
		"no subcommand":       {nil, []string{"migrate"}, "status"},
		"unknown of config":   {nil, []string{"config", "foo"}, "foo"},
		"config alone":        {nil, []string{"config"}, "check"},
		"unknown flag":        {nil, []string{"serve", "--prot", "1"}, "prot"},
		"flag not a number":   {nil, []string{"serve", "--port", "many"}, "port"},
		"port too high":       {[]string{secret}, []string{"serve", "--port", "99999"}, "99999"},
		"argument too many":   {nil, []string{"serve", "now"}, "now"},
		"concurrency too low": {nil, []string{"work", "--concurrency", "0"}, "work.concurrency"},
		"no secret":           {nil, []string{"serve"}, "ANB_AUTH_JWT_SECRET"},
		"bad variable":        {[]string{"ANB_HTTP_READ_TIMEOUT=soon"}, []string{"serve"}, "ANB_HTTP_READ_TIMEOUT"},
		"unknown variable":    {[]string{"ANB_PORT=abc"}, []string{"work"}, "ANB_PORT"},
		"bad database":        {[]string{"DATABASE_URL=mysql://u:hush@h/x"}, []string{"migrate", "up"}, "database.url"},
		"bad file":            {nil, []string{"config", "check", "--config", bad}, "bad.yaml"},
		"open dashboard":      {[]string{secret, "ANB_MONITOR_ADDR=0.0.0.0:5555"}, []string{"config", "check"}, "hash-password"},
		"public dashboard":    {[]string{"ANB_MONITOR_ADDR=0.0.0.0:5555"}, []string{"monitor"}, "hash-password"},
		"missing file":        {[]string{"ANB_CONFIG=/nonexistent.yaml"}, []string{"config", "check"}, "/nonexistent.yaml"},
		"backup over a file":  {nil, []string{"backup", "--to", bad}, "replaces nothing"},
		"restore of nothing":  {nil, []string{"restore"}, "accepts 1 arg"},
		"no archive there":    {nil, []string{"restore", "--check", "/nonexistent"}, "/nonexistent"},
		"bad address":         {nil, []string{"healthcheck", "--url", "http://[::1"}, "healthcheck|\\[::1"},
	} {
		code, _, problems := anb(t, tt.env, tt.args...)
		require.Equal(t, 2, code, name+": "+problems)
		require.Regexp(t, tt.says, problems, name)
		require.NotContains(t, problems, "hush", name)
	}
}

func TestExecute_HelpAndVersionExit0(t *testing.T) {
	t.Parallel()
	code, out, _ := anb(t, nil, "version")
	require.Equal(t, 0, code)
	require.True(t, strings.HasPrefix(out, "anb "), out)
	for _, c := range []string{"serve", "work", "monitor", "dev", "migrate", "config", "healthcheck", "janitor", "doctor", "backup", "restore"} {
		code, out, _ = anb(t, nil, c, "--help")
		require.Equal(t, 0, code, c)
		require.Contains(t, out, "Examples:", c)
	}
}

func TestConfigCheck_ShowsWhatIsInForceWithoutSecrets(t *testing.T) {
	t.Parallel()
	env := []string{"ANB_AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef", "DATABASE_URL=postgres://u:hush@db/anb", "ANB_HTTP_ADDR=0.0.0.0:80"}
	code, out, problems := anb(t, env, "config", "check")
	require.Equal(t, 0, code, problems)
	require.Contains(t, out, "addr: 0.0.0.0:80")
	require.NotContains(t, out+problems, "hush")
	require.NotContains(t, out+problems, "0123456789abcdef")
	code, out, problems = anb(t, nil, "config", "check")
	require.Equal(t, 2, code)
	require.Contains(t, out, "addr: 127.0.0.1:8000", "shown although something is wrong")
	require.Contains(t, problems, "ANB_AUTH_JWT_SECRET")
}

func TestHealthcheck_TellsByItsExitCode(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	addr := server.Listener.Addr().String()
	code, _, problems := anb(t, []string{"ANB_HTTP_ADDR=" + addr}, "healthcheck")
	require.Equal(t, 0, code, problems)
	code, _, problems = anb(t, nil, "healthcheck", "--url", server.URL+"/readyz")
	require.Equal(t, 1, code)
	require.Contains(t, problems, "503")
	server.Close()
	code, _, _ = anb(t, []string{"ANB_HTTP_ADDR=" + addr}, "healthcheck")
	require.Equal(t, 1, code, "nobody listens")
}
