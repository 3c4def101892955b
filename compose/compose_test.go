// Package compose_test holds what runs the platform on one machine to what it
// promises, without an engine; "go tool task test:compose" runs it on one.
package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// file is what is looked at of a compose file.
type file struct {
	Services map[string]service `yaml:"services"`
}

type service struct {
	Ports       []string          `yaml:"ports"`
	Environment map[string]string `yaml:"environment"`
	Privileged  bool              `yaml:"privileged"`
	CapDrop     []string          `yaml:"cap_drop"`
	ReadOnly    bool              `yaml:"read_only"`
	Networks    any               `yaml:"networks"`
	Image       string            `yaml:"image"`
}

func read(t *testing.T, path string) (f file) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &f))
	return f
}

// Databases that a compose file publishes for everybody are a classic.
func TestCompose_PublishesOnlyNginxAndTheDashboard(t *testing.T) {
	t.Parallel()
	want := map[string][]string{"nginx": {"80:80", "443:443"}, "flower": {"${ANB_MONITOR_BIND:-0.0.0.0}:5555:5555"}}
	all := read(t, "docker-compose.yml").Services
	require.Contains(t, all, "postgres")
	require.Contains(t, all, "redis")
	for name, s := range all {
		public := slices.DeleteFunc(slices.Clone(s.Ports), func(port string) bool { return strings.HasPrefix(port, "127.0.0.1:") })
		require.ElementsMatch(t, want[name], public, name)
		require.False(t, s.Privileged, name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.NotRegexp(t, `(:latest)$`, s.Image, name)
	}
	for name, s := range read(t, "development.yml").Services {
		require.NotEmpty(t, s.Ports, name)
		for _, port := range s.Ports {
			require.Regexp(t, `^127\.0\.0\.1:`, port, name)
		}
	}
}

// A variable that anb does not know would stop the container.
func TestCompose_SetsOnlyVariablesThatAreKnown(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	seen := 0
	for name, s := range read(t, "docker-compose.yml").Services {
		for key := range s.Environment {
			if strings.HasPrefix(key, "ANB_") {
				seen++
				require.True(t, strings.Contains(string(readme), "`"+strings.TrimSuffix(key, "_FILE")+"`"), "%s of %s", key, name)
			}
		}
	}
	require.Greater(t, seen, 10)
}

// With an exception the client walks into what is left out, and a builder who is
// not root may not read the folders of the containers.
func TestDockerignore_LeavesWholeFoldersOut(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.dockerignore")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for _, line := range lines {
		require.False(t, strings.HasPrefix(line, "!"), line)
	}
	for _, folder := range []string{"/uploads/", "/processed_videos/", "/logs/", "/secrets/", "/.env", "/anb.env", "/nginx/certs/", "/*.lost/", "/anb.backup*"} {
		require.Contains(t, lines, folder)
	}
}

// checkout is a folder with the script in its place.
func checkout(t *testing.T) (dir string, secrets func(args ...string) (string, error)) {
	t.Helper()
	dir = t.TempDir()
	script, err := os.ReadFile("secrets")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "compose"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "compose", "secrets"), script, 0o755))
	return dir, func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{filepath.Join(dir, "compose", "secrets")}, args...)...)
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// values are the secrets by their names.
func values(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(dir, "secrets"))
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, "secrets", e.Name()))
		require.NoError(t, err)
		all[e.Name()] = strings.TrimSpace(string(data))
	}
	return all
}

func TestSecrets_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	dir, secrets := checkout(t)
	for _, args := range [][]string{{"--renew"}, {"--renew", "database_url"}, {"--renew", "../x"}, {"all"}} {
		out, err := secrets(args...)
		require.Error(t, err, "%v", args)
		require.Equal(t, 1, strings.Count(out, "\n"), out)
	}
	require.NoDirExists(t, filepath.Join(dir, "secrets"))
}

func TestSecrets_AreMadeOnceAndForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir, secrets := checkout(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("ANB_PUBLIC_URL=https://anb.example"), 0o600)) // no end of line
	out, err := secrets()
	require.NoError(t, err, out)
	made := values(t, dir)
	for name, value := range made {
		require.NotContains(t, out, value, "%s is told", name)
	}
	hex := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, name := range []string{"postgres_password", "redis_password", "jwt_secret"} {
		require.Regexp(t, hex, made[name])
	}
	require.Regexp(t, `^[0-9a-f]{24}$`, made["monitor_password"])
	require.Contains(t, made["database_url"], ":"+made["postgres_password"]+"@postgres:")
	require.Contains(t, made["redis_url"], ":"+made["redis_password"]+"@redis:")
	folder, err := os.Stat(filepath.Join(dir, "secrets"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())

	_, err = secrets()
	require.NoError(t, err)
	require.Equal(t, made, values(t, dir))
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	require.Equal(t, "ANB_PUBLIC_URL=https://anb.example\nANB_SECRETS=./secrets\n", string(env))
}

func TestSecrets_RenewsOneAndWhatIsMadeOfIt(t *testing.T) {
	t.Parallel()
	follows := map[string]string{"postgres_password": "database_url", "redis_password": "redis_url"}
	for _, name := range []string{"jwt_secret", "monitor_password", "postgres_password", "redis_password"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, secrets := checkout(t)
			out, err := secrets()
			require.NoError(t, err, out)
			before := values(t, dir)
			out, err = secrets("--renew", name)
			require.NoError(t, err, out)
			after := values(t, dir)
			for key := range before {
				if key == name || key == follows[name] {
					require.NotEqual(t, before[key], after[key], key)
				} else {
					require.Equal(t, before[key], after[key], key)
				}
			}
			if url := follows[name]; url != "" {
				require.Contains(t, after[url], after[name])
			}
		})
	}
	t.Run("not the address of a server elsewhere", func(t *testing.T) {
		t.Parallel()
		dir, secrets := checkout(t)
		out, err := secrets()
		require.NoError(t, err, out)
		own := filepath.Join(dir, "secrets", "database_url")
		require.NoError(t, os.Remove(own))
		require.NoError(t, os.WriteFile(own, []byte("postgres://me:word@db.example:5432/anb\n"), 0o444))
		_, err = secrets("--renew", "postgres_password")
		require.NoError(t, err)
		require.Equal(t, "postgres://me:word@db.example:5432/anb", values(t, dir)["database_url"])
	})
}
