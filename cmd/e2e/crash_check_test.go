//go:build e2e

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// kept is how many uploads of a point are processed when all that matters of
// it is that they arrived; the others are deleted.
const kept = 3

// finish lets an unarmed worker end everything, and then compares what is there
// with what the clients were told.
func (l *crashLab) finish() {
	l.t.Helper()
	l.countUploads()
	l.countDeleted()
	l.countVotes()
	l.thin()
	worker := l.worker()
	l.settle(worker)
	for _, n := range l.uploads {
		if slices.Contains(l.deleted, n.video) {
			continue
		}
		v := l.ana.until(n.video, patience, func(v map[string]any) bool { return v["status"] == "processed" || v["status"] == "failed" })
		done := slices.DeleteFunc(l.attempts(n.video), func(outcome string) bool { return outcome != "done" })
		if v["status"] != "processed" || len(done) != 1 {
			l.t.Errorf("video %s: %v, %d attempts made it", n.video, v, len(done))
			l.Lost += max(0, 1-len(done))
			l.Doubled += max(0, len(done)-1)
		}
	}
	worker.signal(syscall.SIGTERM)
	l.api.signal(syscall.SIGTERM)
	require.Zero(l.t, worker.wait(time.Minute))
	require.Zero(l.t, l.api.wait(time.Minute))
	requireNoStrays(l.t, l.dir, 5*time.Second)

	l.env = append(l.env, "ANB_PROCESSING_GRACE=1ms")
	for _, command := range []string{"janitor", "doctor"} {
		p := l.run(command)
		require.Zero(l.t, p.wait(time.Minute), p.out.String())
	}
	l.requireTidy(len(l.uploads) - len(l.deleted))
}

// count counts rows of a table.
func (l *crashLab) count(table, where string, args ...any) (n int64) {
	l.t.Helper()
	l.inDatabase(func(d *database.DB) {
		require.NoError(l.t, d.Read(l.t.Context()).Table(table).Where(where, args...).Count(&n).Error)
	})
	return n
}

// countUploads compares the rows and the files with the uploads that were
// acknowledged.
func (l *crashLab) countUploads() {
	l.t.Helper()
	var rows []struct{ ID, OriginalKey, IdempotencyKey string }
	l.inDatabase(func(d *database.DB) {
		require.NoError(l.t, d.Read(l.t.Context()).Table("videos").Select("id, original_key, idempotency_key").Find(&rows).Error)
	})
	files, keys := map[string]string{}, map[string]bool{}
	for _, r := range rows {
		if keys[r.IdempotencyKey] {
			l.Doubled++
		}
		keys[r.IdempotencyKey] = true
		files[r.ID] = r.OriginalKey
	}
	expected := 0
	for _, n := range l.uploads {
		if slices.Contains(l.deleted, n.video) {
			continue
		}
		expected++
		data, err := os.ReadFile(filepath.Join(l.dir, "uploads", files[n.video]))
		if files[n.video] == "" || err != nil || sum(data) != n.sha256 {
			l.t.Errorf("upload %s, acknowledged as video %s, is lost: row %q, file %v", n.key, n.video, files[n.video], err)
			l.Lost++
		}
	}
	require.Len(l.t, rows, expected, "rows that nobody asked for")
}

// countDeleted looks for videos that a client was told are gone.
func (l *crashLab) countDeleted() {
	l.t.Helper()
	for _, id := range l.deleted {
		if status, _, _ := l.ana.do(http.MethodGet, "/api/videos/"+id, "", nil); status != http.StatusNotFound {
			l.t.Errorf("video %s, acknowledged as deleted, is there", id)
			l.Lost++
		}
	}
}

// countVotes compares rows and counters with the votes that were acknowledged.
func (l *crashLab) countVotes() {
	l.t.Helper()
	var counter int64
	l.inDatabase(func(d *database.DB) {
		require.NoError(l.t, d.Read(l.t.Context()).Table("videos").Select("coalesce(sum(vote_count), 0)").Scan(&counter).Error)
	})
	rows := int(l.count("votes", ""))
	l.Lost += max(0, l.votes-rows)
	l.Doubled += max(0, rows-l.votes) + max(0, int(counter)-rows)
}

// thin deletes most of the videos that wait for a worker: that they arrived
// has been seen.
func (l *crashLab) thin() {
	l.t.Helper()
	if len(l.open) > 0 || l.voted != "" {
		return
	}
	waiting := slices.DeleteFunc(slices.Clone(l.uploads), func(n noted) bool { return slices.Contains(l.deleted, n.video) })
	for _, n := range waiting[min(kept, len(waiting)):] {
		l.ana.object(http.StatusOK, http.MethodDelete, "/api/videos/"+n.video, nil)
		l.deleted = append(l.deleted, n.video)
	}
}
