package videos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
	"anb/platform/storage"
)

// auditor hears what an audit of the bundle finds.
func (b *bundle) audit(t *testing.T, quick bool) (findings []string) {
	t.Helper()
	looked, err := Auditor{DB: b.db, Originals: b.Originals, Processed: b.Processed, Quick: quick}.
		Audit(t.Context(), func(f audit.Finding) { findings = append(findings, f.String()) })
	require.NoError(t, err)
	require.EqualValues(t, countVideos(t, b.db), looked)
	return findings
}

// published uploads a clip and publishes it with files of the store.
func (b *bundle) published(t *testing.T) row {
	t.Helper()
	require.Equal(t, 201, b.upload(t, goodForm(100)).status)
	r := b.stored(t, content(100))
	put := func(key string) (int64, string) {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, []byte(key), 0o600))
		require.NoError(t, storage.PutFile(t.Context(), b.Processed, path, key, "video/mp4"))
		return int64(len(key)), sumOf(key)
	}
	p := Published{VideoKey: r.ID.String() + "-v.mp4", ThumbnailKey: r.ID.String() + "-v.jpg"}
	p.VideoBytes, p.VideoSHA256 = put(p.VideoKey)
	p.ThumbnailBytes, p.ThumbnailSHA256 = put(p.ThumbnailKey)
	ok, err := b.catalog.Publish(t.Context(), r.ID, p)
	require.NoError(t, err)
	require.True(t, ok)
	return r
}

func TestAudit_NamesEachFileThatIsNotWhatWasStored(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.Equal(t, 201, b.upload(t, goodForm(5)).status)
		r := b.published(t)
		id := r.ID.String()
		require.Empty(t, b.audit(t, false))
		for _, kind := range []struct{ name, path, key string }{
			{"original", filepath.Join(b.folder, r.OriginalKey), r.OriginalKey},
			{"published", filepath.Join(b.public, id+"-v.mp4"), id + "-v.mp4"},
			{"poster", filepath.Join(b.public, id+"-v.jpg"), id + "-v.jpg"},
		} {
			whole, err := os.ReadFile(kind.path)
			require.NoError(t, err)
			line := kind.name + " of video " + id + ": " + kind.key
			rewrite := func(data string) { require.NoError(t, os.WriteFile(kind.path, []byte(data), 0o600)) }

			rewrite("X" + string(whole[1:]))
			require.Empty(t, b.audit(t, true), "a quick look does not read")
			found := b.audit(t, false)
			require.Len(t, found, 1)
			require.Contains(t, found[0], line+" has other content")

			rewrite(string(whole[:len(whole)-1]))
			found = b.audit(t, true)
			require.Len(t, found, 1)
			require.Contains(t, found[0], line+" has ")

			require.NoError(t, os.Remove(kind.path))
			require.Equal(t, []string{line + " is missing"}, b.audit(t, true))
			rewrite(string(whole))
		}
		require.Empty(t, b.audit(t, false))

		// An older version published without telling sizes and sums.
		require.NoError(t, d.Write(t.Context()).Exec("UPDATE videos SET processed_bytes = NULL, processed_sha256 = NULL WHERE id = ?", r.ID).Error)
		require.NoError(t, os.WriteFile(filepath.Join(b.public, id+"-v.mp4"), []byte("?"), 0o600))
		require.Empty(t, b.audit(t, false))
	})
}

func TestAudit_LooksAtEveryVideo(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	for range auditBatch + 1 {
		require.Equal(t, 201, b.upload(t, goodForm(1)).status)
	}
	files, err := filepath.Glob(filepath.Join(b.folder, "*.mp4"))
	require.NoError(t, err)
	require.Len(t, files, auditBatch+1)
	for _, f := range files {
		require.NoError(t, os.Remove(f))
	}
	require.Len(t, b.audit(t, true), auditBatch+1)
}

func TestAudit_SaysWhenItCouldNotLook(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	b.published(t)
	a := Auditor{DB: b.db, Originals: failing{b.Originals}, Processed: b.Processed}
	_, err := a.Audit(t.Context(), func(f audit.Finding) { t.Error("found", f) })
	require.ErrorIs(t, err, errDisk)
}

var errDisk = errors.New("the disk is on fire")

// failing is a store that cannot be read.
type failing struct{ storage.Store }

func (failing) Open(context.Context, string) (storage.Object, error) { return nil, errDisk }

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// archive is a bucket whose objects were moved to an archive: they can be looked
// at and not read.
type archive struct{ storage.Store }

type archivedObject struct{ storage.Object }

func (a archive) Open(ctx context.Context, key string) (storage.Object, error) {
	o, err := a.Store.Open(ctx, key)
	return archivedObject{o}, err
}

func (archivedObject) Read([]byte) (int, error) { return 0, storage.ErrArchived }

func TestAudit_LetsOriginalsOfPublishedVideosRestInAnArchive(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	published := b.published(t)
	b.Originals = archive{b.Originals}
	require.Empty(t, b.audit(t, false))
	b.Processed = archive{b.Processed}
	id := published.ID.String()
	require.ElementsMatch(t, []string{
		"published of video " + id + ": " + id + "-v.mp4 is archived and cannot be read",
		"poster of video " + id + ": " + id + "-v.jpg is archived and cannot be read",
	}, b.audit(t, false))
	require.Empty(t, b.audit(t, true))
}

func TestAudit_NamesAnArchivedOriginalThatIsStillNeeded(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	require.Equal(t, 201, b.upload(t, goodForm(5)).status)
	b.Originals = archive{b.Originals}
	found := b.audit(t, false)
	require.Len(t, found, 1)
	require.Contains(t, found[0], "is archived and cannot be read")
}
