package monitor

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/fault"
)

// audit lists "who action target result detail", oldest first.
func (w *world) audit() (out []string) {
	w.t.Helper()
	all, _, err := w.m.store.events(w.t.Context(), eventPage{Limit: 1000})
	require.NoError(w.t, err)
	for i := len(all) - 1; i >= 0; i-- {
		e := all[i]
		out = append(out, e.Who+" "+e.Action+" "+e.Target+" "+e.Result+" "+e.Detail)
	}
	return out
}

func TestAction_AndItsAuditLineAreBothOrNeither(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		id := w.add(seed{state: "dead", reason: "timeout"})
		broken := errors.New("the audit is full")
		_, err := w.m.carry(w.as("oscar"), order{action: actRetry, target: id.String()}, func(ctx context.Context) (string, error) {
			if err := w.m.deps.Control.Retry(ctx, id, uuid.NullUUID{}); err != nil {
				return "", err
			}
			return "", broken
		})
		require.ErrorIs(t, err, broken)
		require.Equal(t, "dead", w.text("SELECT state FROM jobs WHERE id = ?", id))
		require.Empty(t, w.audit())
		_, err = w.m.jobAction(w.as("oscar"), actRetry, id, "", "")
		require.NoError(t, err)
		require.Equal(t, "queued", w.text("SELECT state FROM jobs WHERE id = ?", id))
		require.Equal(t, []string{"oscar job.retry " + id.String() + " done "}, w.audit())
	})
}

func TestAction_RefusedIsWrittenDownTooAndSaysWhichStateItIs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		id := w.add(seed{state: "done"})
		_, err := w.m.jobAction(w.as("oscar"), actCancel, id, "", "")
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok, err)
		require.Equal(t, fault.Conflict, f.Kind)
		require.Equal(t, []string{"oscar job.cancel " + id.String() + " refused " + f.Code}, w.audit())
		require.Equal(t, 409, w.post("oscar", "/jobs/"+id.String()+"/cancel", nil).Code)
		require.Equal(t, 404, w.post("oscar", "/jobs/"+uuid.NewString()+"/cancel", nil).Code)
	})
}

func TestAction_TwiceIsOnceEvenAtTheSameTime(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		id := w.add(seed{state: "dead", reason: "timeout"})
		var all sync.WaitGroup
		codes := make([]int, 8)
		for i := range codes {
			all.Go(func() { codes[i] = w.post("oscar", "/jobs/"+id.String()+"/retry", url.Values{"key": {"1.dead"}}).Code })
		}
		all.Wait()
		for _, code := range codes {
			require.Equal(t, 303, code)
		}
		require.Equal(t, []string{"oscar job.retry " + id.String() + " done "}, w.audit())
		require.Equal(t, 303, w.post("oscar", "/queues/video_queue/pause", url.Values{"reason": {"x"}}).Code)
		require.Equal(t, 303, w.post("oscar", "/queues/video_queue/pause", url.Values{"reason": {"y"}}).Code)
		require.Len(t, w.audit(), 2, "a paused queue is not paused again")
		require.Equal(t, "x", w.text("SELECT reason FROM queue_pauses"))
	})
}

func TestAudit_CannotBeChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		_, err := w.m.pauseQueue(w.as("oscar"), testQueue, "x", "")
		require.NoError(t, err)
		for _, sql := range []string{"DELETE FROM audit_events", "UPDATE audit_events SET who = 'nobody'"} {
			require.ErrorContains(t, d.Write(t.Context()).Exec(sql).Error, "only added to", sql)
		}
		require.Len(t, w.audit(), 1)
	})
}

func TestReveal_IsForAdminsAndAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	id := w.add(seed{state: "done"})
	address := "/jobs/" + id.String()
	for _, name := range []string{"vera", "oscar", "ada"} {
		require.NotContains(t, w.get(name, address).Body.String(), "ana@example.com", name)
	}
	require.Equal(t, 403, w.post("oscar", address+"/reveal", nil).Code)
	require.Empty(t, w.audit())
	page := w.post("ada", address+"/reveal", nil)
	require.Equal(t, 200, page.Code)
	require.Contains(t, page.Body.String(), "ana@example.com")
	require.Equal(t, []string{"ada job.reveal " + id.String() + " done "}, w.audit())
}

func TestPages_HideThePrivateFilesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	id := w.add(seed{state: "dead", reason: "timeout"})
	key := w.text("SELECT original_key FROM videos v JOIN jobs j ON j.video_id = v.id WHERE j.id = ?", id)
	w.exec("UPDATE job_attempts SET stderr_tail = ?, commands = ?", "reading "+key+"\n", "ffmpeg -i /srv/"+key)
	body := w.get("vera", "/jobs/"+id.String()).Body.String() + w.get("vera", "/jobs/"+id.String()+"/log").Body.String()
	require.Contains(t, body, "reading "+Hidden)
	require.NotContains(t, body, key)
}

func TestBulk_ChangesWhatThePreviewCountedAndGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		for i := range 230 {
			w.add(seed{state: "dead", reason: "timeout", fingerprint: "timeout", made: time.Now().Add(-time.Duration(i) * time.Second)})
		}
		kept := w.add(seed{state: "dead", reason: "truncated", fingerprint: "truncated"})
		put := w.add(seed{state: "dead", reason: "timeout", fingerprint: "timeout", discarded: true})
		b := bulk{action: "retry", query: "error:timeout", key: "k"}
		n, err := w.m.preview(t.Context(), b)
		require.NoError(t, err)
		require.Equal(t, int64(230), n)
		o, err := w.m.start(w.as("oscar"), b)
		require.NoError(t, err)
		again, err := w.m.start(w.as("oscar"), b)
		require.NoError(t, err)
		require.Equal(t, o.ID, again.ID, "twice is once")
		require.Equal(t, "1", w.text("SELECT count(*) FROM operations"))

		led, ok, err := w.m.store.lead(t.Context(), bulkLease)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, w.m.step(t.Context(), led))
		require.Equal(t, "100", w.text("SELECT count(*) FROM jobs WHERE state = 'queued'"))
		w.restart()
		require.NoError(t, w.m.carryOn(t.Context()))
		o, err = w.m.findOperation(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, []any{opDone, int64(230), int64(0), int64(230)}, []any{o.State, o.Changed, o.Skipped, o.Total})
		require.Equal(t, "230", w.text("SELECT count(*) FROM jobs WHERE state = 'queued' AND operation_id = ?", o.ID))
		require.Equal(t, "2", w.text("SELECT count(*) FROM jobs WHERE state = 'dead' AND id IN ?", []uuid.UUID{kept, put}))
		require.Equal(t, "230", w.text("SELECT count(*) FROM videos WHERE status = 'uploaded'"))
	})
}

func TestBulk_GentlyRestsBetweenJobs(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		for range 5 {
			w.add(seed{state: "dead", reason: "timeout"})
		}
		_, err := w.m.start(w.as("oscar"), bulk{action: "retry", query: "state:dead", perMinute: 10})
		require.NoError(t, err)
		require.NoError(t, w.m.carryOn(t.Context()))
		require.Equal(t, "1", w.text("SELECT count(*) FROM jobs WHERE state = 'queued'"))
		require.NoError(t, w.m.carryOn(t.Context()))
		require.Equal(t, "1", w.text("SELECT count(*) FROM jobs WHERE state = 'queued'"), "its six seconds are not over")
		w.exec("UPDATE operations SET lease_until = ?", database.At(time.Unix(0, 0)))
		require.NoError(t, w.m.carryOn(t.Context()))
		require.Equal(t, "2", w.text("SELECT count(*) FROM jobs WHERE state = 'queued'"))
	})
}

func TestBulk_ACancelIsUndone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		var waiting []uuid.UUID
		for range 3 {
			waiting = append(waiting, w.add(seed{state: "queued"}))
		}
		earlier := w.add(seed{state: "cancelled"})
		var ids []string
		for _, id := range waiting {
			ids = append(ids, id.String())
		}
		o, err := w.m.start(w.as("oscar"), bulk{action: "cancel", ids: ids})
		require.NoError(t, err)
		require.NoError(t, w.m.carryOn(t.Context()))
		require.Equal(t, "4", w.text("SELECT count(*) FROM jobs WHERE state = 'cancelled'"))
		undone, err := w.m.undo(w.as("oscar"), o.ID, "")
		require.NoError(t, err)
		require.NoError(t, w.m.carryOn(t.Context()))
		undone, err = w.m.findOperation(t.Context(), undone.ID)
		require.NoError(t, err)
		require.Equal(t, int64(3), undone.Changed)
		require.Equal(t, "3", w.text("SELECT count(*) FROM jobs WHERE state = 'queued'"))
		require.Equal(t, "cancelled", w.text("SELECT state FROM jobs WHERE id = ?", earlier))
		_, err = w.m.undo(w.as("oscar"), undone.ID, "")
		require.ErrorIs(t, err, errNotUndone)
	})
}

func TestBulk_RefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	for name, b := range map[string]bulk{
		"no action":      {query: "state:dead"},
		"unknown action": {action: "drop", query: "state:dead"},
		"no filter":      {action: "retry"},
		"no reason":      {action: "discard", query: "state:dead"},
		"broken filter":  {action: "retry", query: "foo:bar"},
		"bad id":         {action: "retry", ids: []string{"<script>"}},
		"many ids":       {action: "retry", ids: make([]string, maxIDs+1)},
		"too fast":       {action: "retry", query: "state:dead", perMinute: maxPerMinute + 1},
		"backwards":      {action: "retry", query: "state:dead", perMinute: -1},
	} {
		_, err := w.m.start(w.as("oscar"), b)
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok, name)
		require.Equal(t, fault.Invalid, f.Kind, name)
	}
	n, err := w.m.preview(t.Context(), bulk{action: "discard", query: "state:done", reason: "x"})
	require.NoError(t, err)
	require.Zero(t, n, "done jobs cannot be discarded")
}
