package processing

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"anb/platform/audit"
	"anb/platform/database"
)

// How long a job may be in a state in which somebody should have found it.
const (
	lateLease = time.Minute      // after its end; sweepers look every few seconds
	lateStart = 15 * time.Minute // after it was due; or there is no worker
)

// Audit reports jobs that nobody carries on, and videos whose status
// contradicts their jobs'. It changes nothing; each comparison is of one
// moment. An error means that it could not look.
func Audit(ctx context.Context, d *database.DB, now time.Time, report audit.Report) error {
	for _, q := range []struct {
		detail, sql string
		args        []any
	}{
		{"runs without a lease: its worker is gone and no other has found it", `SELECT id, video_id FROM jobs
			WHERE state = 'running' AND lease_until < ? ORDER BY id`, []any{database.At(now.Add(-lateLease))}},
		{fmt.Sprintf("has been due for more than %s: is a worker running?", lateStart), `SELECT id, video_id FROM jobs
			WHERE ` + overdue + ` AND ` + flowing + ` ORDER BY id`, []any{database.At(now.Add(-lateStart)), database.At(now.Add(-lateStart))}},
		{fmt.Sprintf("has been due for more than %s: its queue is paused", lateStart), `SELECT id, video_id FROM jobs
			WHERE ` + overdue + ` AND NOT ` + flowing + ` ORDER BY id`, []any{database.At(now.Add(-lateStart)), database.At(now.Add(-lateStart))}},
		{"is active although its video is finished", activeOfFinished, nil},
		{"video waits, but nobody will process it", waitingWithoutJob, nil},
		{"video is published, but no job made it", `SELECT NULL AS id, v.id AS video_id FROM videos v
			WHERE v.status = 'processed' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.video_id = v.id AND j.state = 'done') ORDER BY v.id`, nil},
	} {
		wrong, err := oddJobs(ctx, d, q.sql, q.args...)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			report(w.finding(q.detail))
		}
	}
	return nil
}

const (
	overdue          = "state IN ('queued', 'retrying') AND run_after < ? AND created_at < ?"
	active           = "('queued', 'running', 'retrying')"
	activeOfFinished = `SELECT j.id, j.video_id FROM jobs j JOIN videos v ON v.id = j.video_id
		WHERE j.state IN ` + active + ` AND v.status IN ('processed', 'failed') ORDER BY j.id`
	waitingWithoutJob = `SELECT NULL AS id, v.id AS video_id FROM videos v
		WHERE v.status IN ('uploaded', 'processing') AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.video_id = v.id AND j.state IN ` + active + `) ORDER BY v.id`
)

// oddJob is a job, or a video without one, that something contradicts.
type oddJob struct {
	ID      *uuid.UUID
	VideoID uuid.UUID
}

func oddJobs(ctx context.Context, d *database.DB, query string, args ...any) (odd []oddJob, err error) {
	if err := d.Read(ctx).Raw(query, args...).Scan(&odd).Error; err != nil {
		return nil, fmt.Errorf("look for jobs: %w", err)
	}
	return odd, nil
}

func (o oddJob) finding(detail string) audit.Finding {
	subject := "of video " + o.VideoID.String()
	if o.ID != nil {
		subject = o.ID.String() + " " + subject
	}
	return audit.Finding{Check: "job", Subject: subject, Detail: detail}
}
