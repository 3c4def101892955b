package backup

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/processing"
	"anb/platform/storage"
	"anb/platform/storage/storagetest"
)

// bucket is a platform whose files are in S3.
func bucket(t *testing.T) (*site, *storagetest.S3) {
	t.Helper()
	for name, value := range storagetest.Environment() {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	f := storagetest.StartS3(t)
	at := func(prefix string) storage.Config {
		return storage.Config{URL: f.Store("&prefix=" + prefix), StageDir: t.TempDir()}
	}
	return newSiteOn(t, dbtest.PostgresURL(t, true), at("o/"), at("p/")), f
}

func TestSave_MovesBetweenDiskAndS3(t *testing.T) { // not parallel: it sets the keys to S3
	from := lived(t)
	mid, server := bucket(t)
	_, err := mid.load(from.archive())
	require.NoError(t, err)
	to := empty(t)
	_, err = to.load(mid.archive())
	require.NoError(t, err)
	want := from.stored()
	want[originals+"/"+processing.WitnessKey(ended)] = hexOf(newSum())
	require.Equal(t, want, to.stored())

	// One object that cannot be had is a flaw; a server that is away is not.
	server.Failing(http.StatusForbidden, -1, func(r *http.Request) bool { return strings.Contains(r.URL.Path, running.String()) })
	_, done, err := mid.save()
	require.NoError(t, err)
	require.Len(t, done.Flaws, 1)
	server.Failing(http.StatusServiceUnavailable, -1, func(*http.Request) bool { return true })
	_, _, err = mid.save()
	require.Error(t, err)
	server.Answering(nil)

	// A restore that fails leaves nothing there either.
	other, _ := bucket(t)
	archive := from.archive()
	_, err = other.load(archive[:len(archive)-1])
	require.ErrorIs(t, err, ErrDamaged)
	require.Empty(t, other.stored())
}
