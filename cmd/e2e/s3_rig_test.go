//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/storage/storagetest"
)

// cloud is a fleet each of whose processes is as on a machine of its own: they
// share PostgreSQL, Redis and S3, and no disk.
type cloud struct {
	*fleet
	s3    *storagetest.S3
	homes []string
	said  []*output
}

func newCloud(t *testing.T, settings ...string) *cloud {
	t.Helper()
	c := &cloud{s3: storagetest.StartS3(t)}
	c.fleet = newFleet(t, binary(t), slices.Concat(quick, s3Settings(c.s3), []string{"ANB_STORAGE_STAGE_DIR=" + t.TempDir()}, settings)...)
	t.Cleanup(func() { // after the processes have ended
		for _, home := range c.homes {
			requireNoStrays(t, home, 5*time.Second)
		}
		for _, said := range c.said {
			require.NotContains(t, said.String(), storagetest.SecretKey)
			require.NotContains(t, said.String(), storagetest.AccessKey)
		}
	})
	return c
}

// inReach tells a fleet that browsers reach the bucket.
func inReach(s *storagetest.S3) []string {
	at := "&public_endpoint=" + url.QueryEscape(s.URL)
	return []string{
		"ANB_STORAGE_ORIGINALS=" + s.Store("&prefix=originals"+at), "ANB_STORAGE_PROCESSED=" + s.Store("&prefix=processed"+at),
	}
}

// node starts a process on a machine of its own; settings are further variables.
func (c *cloud) node(settings []string, args ...string) *process {
	c.t.Helper()
	home := c.t.TempDir()
	tmp := filepath.Join(home, "tmp")
	require.NoError(c.t, os.Mkdir(tmp, 0o700))
	p := start(c.t, c.path, home, slices.Concat(c.env, []string{
		"ANB_PROCESSING_WORK_DIR=" + home + "/work", "ANB_PROCESSING_CACHE_DIR=" + home + "/cache", "ANB_STORAGE_STAGE_DIR=" + home + "/stage", "TMPDIR=" + tmp,
	}, settings), args...)
	c.homes, c.said = append(c.homes, home), append(c.said, p.out)
	return p
}

// once runs a command to its end and returns what it said.
func (c *cloud) once(code int, settings []string, args ...string) string {
	c.t.Helper()
	p := c.node(settings, args...)
	require.Equal(c.t, code, p.wait(time.Minute), p.out.String())
	return p.out.String()
}

// works starts a worker.
func (c *cloud) works() *process {
	c.t.Helper()
	p := c.node(nil, "work")
	p.said("worker consumes")
	return p
}

// requireNothingOnDisks requires that no machine keeps what belongs in S3.
func (c *cloud) requireNothingOnDisks() {
	c.t.Helper()
	for _, home := range c.homes {
		require.NoError(c.t, filepath.WalkDir(home, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !strings.HasPrefix(path, filepath.Join(home, "cache")) {
				c.t.Errorf("%s is on a disk", path)
			}
			return err
		}))
	}
}

// objects lists a place of the bucket, the janitor's witness left out.
func (c *cloud) objects(place string) []string {
	c.t.Helper()
	return slices.DeleteFunc(c.s3.Objects(c.t, place+"/"), func(key string) bool { return strings.Contains(key, "known-job-") })
}

// fetch gets an address as a browser does, with a range if it is not empty.
func fetch(t *testing.T, address, ranges string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	if ranges != "" {
		r.Header.Set("Range", ranges)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, data
}

// largeClip is a clip that S3 gets in several parts.
func largeClip(t *testing.T) []byte {
	t.Helper()
	clip, err := os.ReadFile(ffmpegtest.Clip(t, ffmpegtest.Spec{Seconds: 2}))
	require.NoError(t, err)
	box := make([]byte, 20<<20) // which players skip: its length and its kind come first
	copy(box, "\x01\x40\x00\x00free")
	return append(clip, box...)
}
