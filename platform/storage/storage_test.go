package storage_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// open opens a store and closes it with the test.
func open(t *testing.T, c storage.Config) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestDisk(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return open(t, storage.Config{URL: t.TempDir()})
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return open(t, storage.Config{URL: "mem://", StageDir: t.TempDir()})
	})
}

func TestMemory_makesAndRemovesItsStageFolder(t *testing.T) {
	t.Parallel()
	s, err := storage.Open(t.Context(), storage.Config{URL: "mem://"})
	require.NoError(t, err)
	staged, err := s.Stage(t.Context())
	require.NoError(t, err)
	require.NoError(t, staged.Discard())
	u, err := s.URL(t.Context(), "a", time.Minute)
	require.NoError(t, err)
	require.Empty(t, u)
	require.NoError(t, s.Close())
	require.NoDirExists(t, filepath.Dir(staged.Path()))
}

func TestOpen_saysWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	tests := map[string]struct {
		c    storage.Config
		want string
	}{
		"no url":                {storage.Config{}, "url is empty"},
		"another scheme":        {storage.Config{URL: "gs://b"}, `url begins with "gs://"`},
		"unparsable":            {storage.Config{URL: "s3://%zz"}, "cannot be parsed"},
		"a user in the url":     {storage.Config{URL: "s3://key:secret@b"}, "AWS_SECRET_ACCESS_KEY"},
		"two slashes":           {storage.Config{URL: "file://srv/x"}, "three slashes"},
		"s3 without bucket":     {storage.Config{URL: "s3://", StageDir: "x"}, "no bucket"},
		"s3 without stage":      {storage.Config{URL: "s3://b?region=x"}, "stage_dir is empty"},
		"s3 with path":          {storage.Config{URL: "s3://b/path", StageDir: "x"}, "use ?prefix="},
		"s3 with bad prefix":    {storage.Config{URL: "s3://b?prefix=../x", StageDir: "x"}, "prefix"},
		"s3 with bad option":    {storage.Config{URL: "s3://b?regoin=x", StageDir: t.TempDir()}, "regoin"},
		"s3 with bad style":     {storage.Config{URL: "s3://b?region=x&use_path_style=si", StageDir: t.TempDir()}, "use_path_style"},
		"s3 with bad public":    {storage.Config{URL: "s3://b?region=x&public_endpoint=minio:9000", StageDir: "x"}, "public_endpoint is not http(s)"},
		"s3 with public path":   {storage.Config{URL: "s3://b?region=x&public_endpoint=https://s3.example/b", StageDir: "x"}, "public_endpoint is not http(s)"},
		"s3 with public user":   {storage.Config{URL: "s3://b?region=x&public_endpoint=https://key:secret@s3.example", StageDir: "x"}, "public_endpoint is not http(s)"},
		"memory with options":   {storage.Config{URL: "mem://x"}, "mem://"},
		"a file for a folder":   {storage.Config{URL: file}, "storage folder"},
		"below a file":          {storage.Config{URL: "file://" + file + "/x"}, "storage folder"},
		"stage dir is a file":   {storage.Config{URL: "mem://", StageDir: file}, "stage folder"},
		"where nobody may make": {storage.Config{URL: "/proc/nobody/x"}, "storage folder"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := storage.Open(t.Context(), tt.c)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		a, b string
		want bool
	}{
		"one folder":                   {"./x", "file://" + here + "/y/../x", true},
		"a folder in another":          {"./data", "./data/processed", true},
		"the working folder":           {".", "./processed", true},
		"the root":                     {"/", "/srv", true},
		"folders apart":                {"./data", "./data2", false},
		"one bucket":                   {"s3://b?region=x", "s3://b?region=y", true},
		"a prefix in a bucket":         {"s3://b?region=x", "s3://b?region=x&prefix=processed", true},
		"a prefix in a prefix":         {"s3://b?prefix=a/", "s3://b?prefix=a/b", true},
		"prefixes apart":               {"s3://b?prefix=a", "s3://b?prefix=ab", false},
		"buckets apart":                {"s3://b", "s3://bc", false},
		"one bucket's name, elsewhere": {"s3://b", "s3://b?endpoint=https://s3.example", false},
		"a folder and a bucket":        {"./b", "s3://b", false},
	} {
		a, b := storage.Config{URL: tt.a}, storage.Config{URL: tt.b}
		require.Equal(t, tt.want, storage.Overlap(a, b), name)
		require.Equal(t, tt.want, storage.Overlap(b, a), name)
	}
}
