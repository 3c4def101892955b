//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/platform/database"
)

// finish lets a worker do what is left, and ends it.
func (r *rig) finish() {
	r.x.Helper()
	w := r.worker()
	r.ends()
	r.quit(w)
}

// ends waits until no video is left to be processed.
func (r *rig) ends() {
	r.x.Helper()
	r.inDatabase(func(d *database.DB) {
		var waiting []string
		require.Eventually(r.x.T, func() bool {
			waiting = nil
			err := d.Read(r.x.Context()).Table("videos").Where("status IN ('uploaded', 'processing')").Pluck("id", &waiting).Error
			return err == nil && len(waiting) == 0
		}, patience, 100*time.Millisecond, "videos wait for ever")
	})
}

// check compares what clients saw with what is there. Nothing may be under way.
func (r *rig) check() {
	x, b := r.x, r.book
	x.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	x.result.Acknowledged, x.result.Lost, x.result.Doubled = 0, 0, 0

	// What has no row goes, and then nothing contradicts anything.
	now := r.with("ANB_PROCESSING_GRACE=1ms")
	require.Zero(x, now.run("janitor").wait(time.Minute))
	doctor := now.run("doctor")
	code := doctor.wait(time.Minute)
	require.Zero(x, code, "%s", doctor.out)

	r.inDatabase(func(d *database.DB) {
		read := d.Read(x.Context())
		for key, sent := range b.uploads {
			var rows []struct{ ID, Original string }
			require.NoError(x, read.Raw("SELECT id::text AS id, original_sha256 AS original FROM videos WHERE idempotency_key = ?", key).Scan(&rows).Error)
			x.result.Doubled += max(0, len(rows)-1)
			if sent.id == "" {
				continue
			}
			x.result.Acknowledged++
			if b.deleted[sent.id] {
				x.result.Acknowledged++
				if len(rows) > 0 {
					x.result.Lost++
					x.Errorf("video %s was deleted and is there", sent.id)
				}
				continue
			}
			if len(rows) != 1 || rows[0].ID != sent.id || rows[0].Original != sent.sha256 {
				x.result.Lost++
				x.Errorf("upload %s was accepted as %s; there is %v, sent was %s", key, sent.id, rows, sent.sha256)
			}
		}
		var cast []struct{ User, Video string }
		require.NoError(x, read.Raw(`SELECT user_id::text AS "user", video_id::text AS video FROM votes`).Scan(&cast).Error)
		there := map[vote]bool{}
		for _, c := range cast {
			v := vote{c.User, c.Video}
			there[v] = true
			if _, sent := b.votes[v]; !sent {
				x.Errorf("vote %v was never sent", v)
			}
		}
		for v, acknowledged := range b.votes {
			if acknowledged {
				x.result.Acknowledged++
				if !there[v] {
					x.result.Lost++
				}
			}
		}
		var twice []string
		require.NoError(x, read.Raw(`SELECT job_id::text FROM job_attempts WHERE outcome = 'done' GROUP BY job_id HAVING count(*) > 1
			UNION ALL SELECT video_id::text FROM jobs WHERE state = 'done' GROUP BY video_id HAVING count(*) > 1`).Scan(&twice).Error)
		x.result.Doubled += len(twice)

		var rows, published int64
		require.NoError(x, read.Table("videos").Count(&rows).Error)
		require.NoError(x, read.Table("videos").Where("status = 'processed'").Count(&published).Error)
		require.EqualValues(x, rows, r.stored("uploads"), "originals, and nothing staged")
		require.EqualValues(x, 2*published, r.stored("processed_videos"), "a video and a poster each")
	})
	require.Zero(x, x.result.Lost, "what was acknowledged is gone")
	require.Zero(x, x.result.Doubled, "something was done twice")
	require.Empty(x, b.wrong, "answers that should never be given")
	require.Zero(x, b.answers[http.StatusInternalServerError])
	requireNoStrays(x.T, r.dir, 5*time.Second)

	b.http.CloseIdleConnections()
	for p, was := range r.baseline {
		var is usage
		x.eventually(30*time.Second, fmt.Sprintf("%s keeps goroutines or files", p.name), func() bool {
			is = x.usage(p)
			return is.goroutines <= was.goroutines*1.05+2 && is.files <= was.files*1.05+2
		})
	}
}

// attempt is what is written down of one attempt.
type attempt struct{ Outcome, Reason, Signal, Error string }

func (r *rig) attemptsOf(video string) (out []attempt) {
	r.x.Helper()
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Read(r.x.Context()).Raw(`SELECT coalesce(a.outcome, '') AS outcome, a.reason, a.signal, a.error
			FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.video_id = ? ORDER BY a.fence`, video).Scan(&out).Error)
	})
	return out
}

func newID() string { return uuid.NewString() }
