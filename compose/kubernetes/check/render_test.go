// Package check_test renders the kustomizations, decodes each object strictly,
// and holds them to what they must mean together. It is a module of its own, so
// that what only it needs is no dependency of anb.
package check_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// example is the overlay that operators copy.
const example = "overlays/example"

// secrets are the files that an operator makes under secrets/ of an overlay.
var secrets = map[string]string{
	"database-url":   "postgres://anb:hush@db.internal:5432/anb?sslmode=verify-full\n",
	"redis-url":      "rediss://:hush@redis.internal:6379/0\n",
	"jwt-secret":     "0123456789abcdef0123456789abcdef\n",
	"s3-credentials": "[default]\naws_access_key_id = AKIA\naws_secret_access_key = hush\n",
	"monitor-users":  "ana:admin:$argon2id$v=19$m=19456,t=2,p=1$CL6SpGJn1QIAvWTTdaui+w$Y6PAYiXQFR7bBJdCZhKqyiZeQiG3gLqYFskGGTYbKZI\n",
}

// elsewhere are the Secrets that are not made by kustomize, with their keys.
var elsewhere = map[string][]string{
	"anb-tls":           {"tls.crt", "tls.key"},
	"anb-dashboard-tls": {"tls.crt", "tls.key"},
}

// edit spoils or mends one file of the layout.
type edit struct{ file, from, to string }

// layout is compose/kubernetes in memory, after the edits, each of which must
// find what it replaces.
func layout(t *testing.T, edits ...edit) filesys.FileSystem {
	t.Helper()
	mem := filesys.MakeFsInMemory()
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(path, "../check/") || strings.Contains(path, "/secrets/") {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		name := strings.TrimPrefix(path, "../")
		text := string(data)
		for _, e := range edits {
			if e.file == name {
				require.Contains(t, text, e.from, name)
				text = strings.ReplaceAll(text, e.from, e.to)
			}
		}
		return mem.WriteFile(name, []byte(text))
	}))
	for _, overlay := range overlays(t) {
		for name, content := range secrets {
			require.NoError(t, mem.WriteFile(overlay+"/secrets/"+name, []byte(content)))
		}
	}
	return mem
}

func overlays(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("../overlays/*/kustomization.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for i, path := range all {
		all[i] = strings.TrimPrefix(filepath.Dir(path), "../")
	}
	return all
}

// render makes the objects of a folder, each decoded strictly.
func render(files filesys.FileSystem, folder string) (cluster, error) {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, folder)
	if err != nil {
		return cluster{}, err
	}
	var c cluster
	for _, r := range made.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return cluster{}, err
		}
		if err := c.add(text); err != nil {
			return cluster{}, err
		}
	}
	return c, nil
}

// rendered is render of what is on disk.
func rendered(t *testing.T, folder string) cluster {
	t.Helper()
	c, err := render(layout(t), folder)
	require.NoError(t, err)
	return c
}
