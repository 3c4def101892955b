package check_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var program string // anb, built as it is shipped

func TestMain(m *testing.M) {
	os.Exit(withProgram(m))
}

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "anb-kubernetes-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "anb")
	c := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	c.Dir, c.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build anb: %v: %s\n", err, out)
		return 1
	}
	return m.Run()
}

// anb runs the program with only env as its environment.
func anb(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = env
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	_ = c.Run() // the code tells
	require.NotNil(t, c.ProcessState)
	return c.ProcessState.ExitCode(), out.String(), problems.String()
}

// environment is what the container finds: its variables, with the secrets that
// its pod mounts as files below root.
func (c cluster) environment(t *testing.T, w workload, root string) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, f := range w.container().EnvFrom {
		m, ok := c.config(f.ConfigMapRef.Name)
		require.True(t, ok)
		for name, value := range m.Data {
			env[name] = value
		}
	}
	for _, e := range w.container().Env {
		env[e.Name] = e.Value
	}
	for _, m := range w.container().VolumeMounts {
		for _, v := range w.pod.Spec.Volumes {
			if v.Name == m.Name {
				c.mount(t, v, root+m.MountPath)
			}
		}
	}
	for name, value := range env {
		if strings.HasSuffix(name, "_FILE") {
			env[name] = root + value
		}
	}
	return env
}

// mount writes the files of the Secrets in a volume.
func (c cluster) mount(t *testing.T, v corev1.Volume, folder string) {
	t.Helper()
	w := workload{pod: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Volumes: []corev1.Volume{v}}}}
	for _, name := range w.secrets() {
		s, ok := c.secret(name)
		require.True(t, ok, name)
		require.NoError(t, os.MkdirAll(folder, 0o700))
		for key, data := range s.Data {
			require.NoFileExists(t, folder+"/"+key)
			require.NoError(t, os.WriteFile(folder+"/"+key, data, 0o600))
		}
	}
}

// effective is the configuration in force, by section and key.
type effective map[string]map[string]any

// check has anb judge the environment and args of a container, and returns the
// configuration that it would run with.
func (c cluster) check(t *testing.T, w workload, change map[string]string) (effective, string) {
	t.Helper()
	env := c.environment(t, w, t.TempDir())
	for name, value := range change {
		env[name] = value
	}
	args := w.container().Args
	if _, ok := env["ANB_AUTH_JWT_SECRET_FILE"]; !ok && args[0] != "serve" {
		env["ANB_AUTH_JWT_SECRET"] = secrets["jwt-secret"] // only checked
	}
	var list []string
	for name, value := range env {
		if !strings.HasPrefix(name, "ANB_") && name != "AWS_SHARED_CREDENTIALS_FILE" {
			return nil, "unknown variable " + name
		}
		if name == "AWS_SHARED_CREDENTIALS_FILE" {
			require.FileExists(t, value)
		}
		list = append(list, name+"="+value)
	}
	code, out, problems := anb(t, list, "config", "check")
	if code != 0 {
		return nil, problems
	}
	help, usage, problems := anb(t, nil, append(args, "--help")...)
	command, _, _ := strings.Cut(strings.Join(args, " "), " -")
	if help != 0 || !strings.Contains(usage, "\n  anb "+command+" [flags]\n") {
		return nil, "args: " + usage + problems
	}
	e := effective{}
	require.NoError(t, yaml.Unmarshal([]byte(out), &e))
	return e, ""
}
