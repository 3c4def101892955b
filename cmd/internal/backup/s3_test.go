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

func TestLoad_TriesAgainWhatS3RefusesForAMoment(t *testing.T) { // not parallel: it sets the keys to S3
	from := lived(t)
	archive := from.archive()
	to, server := bucket(t)
	again := newSiteOn(t, dbtest.PostgresURL(t, true), to.places...) // beside the files
	failing := func(method string) {
		server.Failing(http.StatusServiceUnavailable, 4, func(r *http.Request) bool {
			return r.Method == method && strings.Contains(r.URL.Path, running.String())
		})
	}
	failing(http.MethodHead)
	_, err := to.load(archive[:len(archive)-1])
	require.ErrorIs(t, err, ErrDamaged)
	failing(http.MethodPut)
	_, err = to.load(archive)
	require.NoError(t, err)
	failing(http.MethodGet)
	_, err = again.load(archive)
	require.NoError(t, err)
}

func TestPlatform_LosesNoTimeWithWhatS3HasArchived(t *testing.T) { // not parallel: it sets the keys to S3
	from, server := bucket(t)
	from.live()
	archive := from.archive()
	server.Answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, running.String()+".mp4") {
			return false
		}
		storagetest.Refuse(w, http.StatusForbidden, "InvalidObjectState")
		return true
	})
	asked := func() int {
		return server.Count(func(call string) bool {
			return strings.HasPrefix(call, "GET ") && strings.Contains(call, running.String()+".mp4")
		})
	}
	before := asked()
	_, done, err := from.save()
	require.NoError(t, err)
	require.Len(t, done.Flaws, 1)
	require.Equal(t, before+1, asked())

	to := newSiteOn(t, dbtest.PostgresURL(t, true), from.places...) // beside it
	_, err = to.load(archive)
	require.NoError(t, err)
	require.Equal(t, before+2, asked())
}
