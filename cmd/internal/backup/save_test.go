package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/processing"
	"anb/modules/rankings"
	"anb/platform/audit"
	"anb/platform/storage"
)

// odd is a store that answers one key otherwise.
type odd struct {
	storage.Store
	key  string
	open func() (storage.Object, error) // instead of the store's; nil: its own
	away bool
}

func (o odd) Open(ctx context.Context, key string) (storage.Object, error) {
	if key == o.key {
		return o.open()
	}
	return o.Store.Open(ctx, key)
}

func (o odd) Check(ctx context.Context) error {
	if o.away {
		return errors.New("the storage is away")
	}
	return o.Store.Check(ctx)
}

// stub is an object whose second half cannot be read, the first times.
type stub struct {
	storage.Object
	at     int64
	breaks *atomic.Int64
}

func (s *stub) Seek(offset int64, whence int) (at int64, err error) {
	s.at, err = s.Object.Seek(offset, whence)
	return s.at, err
}

func (s *stub) Read(p []byte) (int, error) {
	half := s.Info().Size / 2
	if s.at >= half && s.breaks.Add(-1) >= 0 {
		return 0, syscall.EIO
	}
	if s.at < half {
		p = p[:min(int64(len(p)), half-s.at)]
	}
	n, err := s.Object.Read(p)
	s.at += int64(n)
	return n, err
}

// breaking makes reads of an original break midway, so many times.
func (s *site) breaking(key string, times int64) {
	store, breaks := s.Originals, new(atomic.Int64)
	breaks.Store(times)
	s.Originals = odd{Store: store, key: key, open: func() (storage.Object, error) {
		o, err := store.Open(s.t.Context(), key)
		return &stub{Object: o, breaks: breaks}, err
	}}
}

func (s *site) save() (archive []byte, done Summary, err error) {
	var b bytes.Buffer
	done, err = s.Save(s.t.Context(), &b)
	return b.Bytes(), done, err
}

func TestSave_GoesOnWithoutFilesThatAreDamagedOrMissing(t *testing.T) {
	t.Parallel()
	from := lived(t)
	require.NoError(t, from.Processed.Delete(t.Context(), shown.String()+"-1-ff.jpg"))
	for _, change := range []struct {
		video uuid.UUID
		size  int
	}{{failed, 70_000}, {waiting, 5}} {
		require.NoError(t, from.Originals.Delete(t.Context(), change.video.String()+".mp4"))
		from.put(from.Originals, change.video.String()+".mp4", change.size)
	}
	kept := from.stored()
	from.breaking(running.String()+".mp4", 99)
	archive, done, err := from.save()
	require.NoError(t, err)
	states := map[string]string{}
	for _, f := range done.Flaws {
		states[f.Place+"/"+f.Key] = f.State + ": " + f.Detail
		require.Contains(t, f.String(), f.Video.String())
	}
	require.Len(t, states, 4)
	require.Contains(t, states[processed+"/"+shown.String()+"-1-ff.jpg"], "missing: ")
	require.Contains(t, states[originals+"/"+failed.String()+".mp4"], "other: it has other content")
	require.Equal(t, "other: it has 5 bytes instead of 70000", states[originals+"/"+waiting.String()+".mp4"])
	require.Contains(t, states[originals+"/"+running.String()+".mp4"], "unreadable: ")
	require.NoError(t, checked(archive), "it is whole")

	to := empty(t)
	loaded, err := to.load(archive)
	require.NoError(t, err)
	require.Equal(t, done.Flaws, loaded.Flaws)
	require.Len(t, to.rows("videos"), 6, "no row is left out")
	delete(kept, originals+"/"+running.String()+".mp4") // half of it is of no use
	got := to.stored()
	delete(got, originals+"/"+processing.WitnessKey(ended))
	require.Equal(t, kept, got)
}

func TestSave_ReadsOnWhereAReadFailed(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	want := from.stored()
	from.breaking(running.String()+".mp4", 3)
	_, err := to.load(from.archive())
	require.NoError(t, err)
	require.Equal(t, want[originals+"/"+running.String()+".mp4"], to.stored()[originals+"/"+running.String()+".mp4"])
}

func TestSave_FailsWhenTheStorageIsAway(t *testing.T) {
	t.Parallel()
	from := lived(t)
	from.breaking(running.String()+".mp4", 99)
	store := from.Originals.(odd)
	store.away = true
	from.Originals = store
	_, _, err := from.save()
	require.ErrorContains(t, err, "the storage is away")
	require.ErrorContains(t, err, "back up originals "+running.String()+".mp4")
}

func TestSave_HonoursDeletionsMeanwhile(t *testing.T) {
	t.Parallel()
	from := lived(t)
	// A vote for a video that can be deleted: there is none today.
	from.exec("INSERT INTO votes (user_id, video_id, created_at) VALUES ($1, $2, now())", luis.String(), waiting.String())
	from.exec("UPDATE player_totals SET votes = 3")
	store := from.Originals
	from.Originals = odd{Store: store, key: waiting.String() + ".mp4", open: func() (storage.Object, error) {
		from.exec("UPDATE jobs SET state = 'cancelled', cancel_requested = true, finished_at = now() WHERE video_id = $1", waiting.String())
		from.exec("DELETE FROM votes WHERE video_id = $1", waiting.String())
		from.exec("UPDATE player_totals SET votes = 2")
		from.exec("DELETE FROM videos WHERE id = $1", waiting.String())
		require.NoError(t, store.Delete(t.Context(), waiting.String()+".mp4"))
		return store.Open(t.Context(), waiting.String()+".mp4")
	}}
	archive, done, err := from.save()
	require.NoError(t, err)
	require.Empty(t, done.Flaws)
	require.Equal(t, 1, done.Gone)

	to := empty(t)
	_, err = to.load(archive)
	require.NoError(t, err)
	require.Equal(t, from.rows("votes"), to.rows("votes"))
	require.Equal(t, from.rows("player_totals"), to.rows("player_totals"))
	require.Equal(t, from.rows("videos"), to.rows("videos"))
	require.Equal(t, "cancelled", to.ask("SELECT state FROM jobs WHERE video_id = $1", waiting.String()))
	require.NotContains(t, to.stored(), originals+"/"+waiting.String()+".mp4")
	require.NoError(t, rankings.Audit(t.Context(), to.DB, func(f audit.Finding) { require.Empty(t, f.String()) }))
}

func TestLoad_RemovesWhatCameOfAVideoThatWasDeletedThen(t *testing.T) {
	t.Parallel()
	from := lived(t)
	// Its original is copied already when its poster turns out to be gone.
	store := from.Processed
	key := shown.String() + "-1-ff.jpg"
	from.Processed = odd{Store: store, key: key, open: func() (storage.Object, error) {
		from.exec("DELETE FROM votes")
		from.exec("DELETE FROM videos WHERE id = $1", shown.String())
		return nil, storage.ErrNotExist
	}}
	archive, done, err := from.save()
	require.NoError(t, err)
	require.Equal(t, 1, done.Gone)
	to := empty(t)
	_, err = to.load(archive)
	require.NoError(t, err)
	for name := range to.stored() {
		require.NotContains(t, name, "/"+shown.String())
	}
	require.Equal(t, "0", to.ask("SELECT votes FROM player_totals"))
}

func TestSave_HonoursDeletionsOfWhatIsCopiedAlready(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	require.NoError(t, from.Originals.Delete(t.Context(), waiting.String()+".mp4"))
	from.put(from.Originals, waiting.String()+".mp4", 5) // a flaw that is no more
	store := from.Processed
	key := shown.String() + "-1-ff.mp4" // the last file
	from.Processed = odd{Store: store, key: key, open: func() (storage.Object, error) {
		from.exec("DELETE FROM videos WHERE id = $1", waiting.String())
		return store.Open(t.Context(), key)
	}}
	archive, done, err := from.save()
	require.NoError(t, err)
	require.Equal(t, 1, done.Gone)
	require.Empty(t, done.Flaws)
	_, err = to.load(archive)
	require.NoError(t, err)
	require.Equal(t, from.rows("videos"), to.rows("videos"))
	require.NotContains(t, to.stored(), originals+"/"+waiting.String()+".mp4")
}

func TestSave_IsOfOneMoment(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	var b bytes.Buffer
	begun := false
	_, err := from.Save(t.Context(), writerFunc(func(p []byte) (int, error) {
		if !begun { // the snapshot is taken
			begun = true
			from.exec("INSERT INTO votes (user_id, video_id, created_at) VALUES ($1, $2, now())", luis.String(), failed.String())
			from.exec("UPDATE videos SET vote_count = 1 WHERE id = $1", failed.String())
			from.video(id(17), "processed", "done")
		}
		return b.Write(p)
	}))
	require.NoError(t, err)
	_, err = to.load(b.Bytes())
	require.NoError(t, err)
	require.Len(t, to.rows("votes"), 2)
	require.Equal(t, "0", to.ask("SELECT vote_count FROM videos WHERE id = $1", failed.String()))
	require.NotContains(t, to.stored(), originals+"/"+id(17).String()+".mp4")
}

func TestSave_TellsWhyItCannotWrite(t *testing.T) {
	t.Parallel()
	from := lived(t)
	size := len(from.archive())
	for _, cause := range []error{syscall.ENOSPC, syscall.EPIPE} {
		for _, room := range []int{0, 600, size / 2, size - 1} {
			_, err := from.Save(t.Context(), writerFunc(func(p []byte) (int, error) {
				if room -= len(p); room < 0 {
					return 0, cause
				}
				return len(p), nil
			}))
			require.ErrorIs(t, err, cause)
			require.ErrorContains(t, err, "write the archive")
		}
	}
	_, err := from.Save(t.Context(), io.Discard)
	require.NoError(t, err, "the pool has a connection that works")
}

func TestPlatform_IsOfPostgreSQLOnly(t *testing.T) {
	t.Parallel()
	p := Platform{DB: dbtest.SQLite(t)}
	_, err := p.Save(t.Context(), io.Discard)
	require.ErrorIs(t, err, ErrDialect)
	_, err = p.Load(t.Context(), strings.NewReader(""))
	require.ErrorIs(t, err, ErrDialect)
}

func TestSave_MakesATarThatOtherToolsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "anb.backup"), lived(t).archive(), 0o600))
	c := exec.CommandContext(t.Context(), "sh", "-ec", "tar -xf anb.backup; cat sums/* | sha256sum -c --quiet --strict; cat tables/votes/* | zcat | wc -l; ls")
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, []string{"2", "anb.backup", "files", "manifest.json", "sha256", "sums", "tables", "trailer.json"}, strings.Fields(string(out)))
}
