package backup

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/processing"
	"anb/platform/storage"
)

func TestLoad_BringsBackWhatWasSaved(t *testing.T) {
	t.Parallel()
	from := lived(t)
	var archive bytes.Buffer
	saved, err := from.Save(t.Context(), &archive)
	require.NoError(t, err)
	require.EqualValues(t, 8, saved.Files)
	require.EqualValues(t, 6*70_000+50_900, saved.Bytes)
	checked, err := Check(t.Context(), bytes.NewReader(archive.Bytes()), from.Log)
	require.NoError(t, err)
	require.Equal(t, saved, checked)

	for name, url := range map[string]string{"an empty database": dbtest.PostgresURL(t, false), "a schema": dbtest.PostgresURL(t, true)} {
		to := newSite(t, url)
		loaded, err := to.load(archive.Bytes())
		require.NoError(t, err, name)
		require.Equal(t, saved, loaded, name)
		for _, table := range tables {
			require.NotEmpty(t, from.rows(table), "nothing is tried with table "+table)
			if table != "jobs" && table != "job_attempts" {
				require.Equal(t, from.rows(table), to.rows(table), name)
			}
		}
		files := to.stored()
		delete(files, originals+"/"+processing.WitnessKey(ended)) // the newest job's
		require.Equal(t, from.stored(), files, name)
		require.Empty(t, to.rows("workers"), "they are not there")
	}
}

func TestLoad_HandsRunningJobsBack(t *testing.T) {
	t.Parallel()
	from, to := lived(t), empty(t)
	_, err := to.load(from.archive())
	require.NoError(t, err)
	job := func(id string) string {
		return to.ask("SELECT concat_ws(' ', j.state, j.attempt, j.lease_until IS NULL, j.speed, a.outcome, a.finished_at IS NULL) FROM jobs j JOIN job_attempts a ON a.job_id = j.id WHERE j.video_id = $1", id)
	}
	require.Equal(t, "queued 0 t 0 released f", job(running.String()), "the attempt does not count")
	require.Equal(t, "queued 2 t 0 released f", job(last.String()), "nor does the last one")
	require.Equal(t, "running 1 f 2 running t", job(ended.String()), "a sweeper will carry the operator's order out")
	require.Equal(t, "dead 1 t 2 dead t", job(failed.String()))
}

func TestLoad_RefusesAPlatformInUse(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	used := lived(t)
	before := used.stored()
	_, err := used.load(archive)
	require.ErrorIs(t, err, ErrOccupied)
	require.Equal(t, before, used.stored())
	require.Len(t, used.rows("videos"), 6)

	// What an empty platform gathers by itself gives way; what operators did stays.
	to := empty(t)
	to.exec("INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms) VALUES ('video_queue', 'hour', now(), 0, 0, 0, 0, 0, 0, 0)")
	to.exec("INSERT INTO queue_pauses (queue, reason, who, since) VALUES ('other', 'wait', 'root', now())")
	to.exec("INSERT INTO audit_events (id, at, who, role, address, action, target, reason, result, detail, request_id) VALUES ($1, now(), 'root', 'admin', '', 'x', '', '', 'done', '', '')", id(92).String())
	to.exec("INSERT INTO workers (id, host, pid, version, queues, slots, state, started_at, beat_at) VALUES ('new', 'h', 1, '1', 'q', 1, 'online', now(), now())")
	_, err = to.load(archive)
	require.NoError(t, err)
	require.Len(t, to.rows("queue_samples"), 1)
	require.Len(t, to.rows("audit_events"), 2)
	require.Equal(t, "new", to.ask("SELECT id FROM workers"), "it lives")
}

func TestLoad_RefusesADatabaseThatOthersWriteTo(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	tx, err := to.pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "LOCK TABLE users IN ROW EXCLUSIVE MODE")
	require.NoError(t, err)
	_, err = to.load(archive)
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, tx.Rollback())
	_, err = to.load(archive)
	require.NoError(t, err, "it held no lock")
}

func TestLoad_GoesOnBesideFilesThatAreThere(t *testing.T) {
	t.Parallel()
	from := lived(t)
	archive := from.archive()

	// The database alone was lost.
	to := empty(t)
	to.Originals, to.Processed = from.Originals, from.Processed
	before := from.stored()
	_, err := to.load(archive)
	require.NoError(t, err)
	after := to.stored()
	witness := originals + "/" + processing.WitnessKey(ended)
	require.Contains(t, after, witness)
	delete(after, witness)
	require.Equal(t, before, after)

	// Nothing is replaced, and a failed restore removes only what it made.
	for _, size := range []int{50_000, 1} {
		other := empty(t)
		sha := other.put(other.Processed, shown.String()+"-1-ff.mp4", size)
		_, err = other.load(archive)
		require.ErrorIs(t, err, errOther)
		require.Equal(t, map[string]string{processed + "/" + shown.String() + "-1-ff.mp4": sha}, other.stored())
		require.Empty(t, other.rows("users"))
	}
}

func TestLoad_TakesNoTornFileForAGoodOne(t *testing.T) {
	t.Parallel()
	from := lived(t)
	whole, name := from.Originals, originals+"/"+running.String()+".mp4"
	before := from.stored()
	from.breaking(running.String()+".mp4", 99)
	archive, done, err := from.save()
	require.NoError(t, err)
	require.Len(t, done.Flaws, 1)

	// The good one is beside, or one that still cannot be read.
	broken := from.Originals
	for _, there := range []storage.Store{whole, broken} {
		to := empty(t)
		to.Originals, to.Processed = there, from.Processed
		_, err := to.load(archive)
		require.NoError(t, err)
		to.Originals = whole
		require.Equal(t, before[name], to.stored()[name])
	}

	// A restore that was killed has left it.
	to := empty(t)
	part := make([]byte, 70_000)
	o, err := whole.Open(t.Context(), running.String()+".mp4")
	require.NoError(t, err)
	_, err = io.ReadFull(o, part[:35_000])
	require.NoError(t, errors.Join(err, o.Close()))
	to.store1(to.Originals, running.String()+".mp4", part)
	_, err = to.load(archive)
	require.NoError(t, err)
	require.NotContains(t, to.stored(), name)
}

func TestLoad_WitnessKeepsJanitorsOffUntilTheRowsAreThere(t *testing.T) {
	t.Parallel()
	archive := lived(t).archive()
	to := empty(t)
	janitor := processing.Janitor{DB: to.DB, Places: []processing.Place{{Store: to.Originals}}, Log: to.Log}
	asked := false
	looking := readerFunc(func() func([]byte) (int, error) {
		r := bytes.NewReader(archive)
		return func(p []byte) (int, error) {
			if !asked && r.Len() < len(archive)/2 { // amid the files
				asked = true
				require.NotEmpty(t, to.stored())
				_, err := janitor.Clean(t.Context())
				require.ErrorIs(t, err, processing.ErrRestored)
			}
			return r.Read(p)
		}
	}())
	_, err := to.Load(t.Context(), looking)
	require.NoError(t, err)
	require.True(t, asked)
	require.Contains(t, slices.Collect(maps.Keys(to.stored())), originals+"/"+processing.WitnessKey(ended))
}
