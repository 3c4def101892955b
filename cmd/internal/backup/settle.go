package backup

import (
	"context"
	"fmt"
)

// settleRows makes of rows of some moment ago those of a platform that goes on.
// They are still of the archive's schema, of whatever version.
func (l *loader) settleRows(ctx context.Context, t trailer) error {
	idle := ""
	if l.has("jobs", "speed") {
		idle = ", speed = 0"
	}
	// As a worker does that stops: the attempt does not count.
	_, err := l.tx.Exec(ctx, `WITH back AS (
			UPDATE jobs SET state = 'queued', attempt = attempt - 1, lease_until = NULL`+idle+`
			WHERE state = 'running' AND NOT cancel_requested RETURNING id, fence)
		UPDATE job_attempts a SET outcome = 'released', finished_at = clock_timestamp() FROM back WHERE a.job_id = back.id AND a.fence = back.fence`)
	if err != nil {
		return fmt.Errorf("hand running jobs back: %w", err)
	}
	if len(t.Gone) == 0 {
		return nil
	}
	// As their deletion did. Only videos without votes can be deleted, but a
	// counter must not depend on that.
	for _, sql := range []string{
		`UPDATE job_attempts a SET outcome = 'cancelled', finished_at = clock_timestamp() FROM jobs j
			WHERE j.id = a.job_id AND a.finished_at IS NULL AND j.video_id = ANY($1)`,
		`UPDATE jobs SET state = 'cancelled', cancel_requested = true, lease_until = NULL, finished_at = clock_timestamp()
			WHERE video_id = ANY($1) AND state IN ('queued', 'running', 'retrying')`,
		`DELETE FROM votes WHERE video_id = ANY($1)`,
		`UPDATE player_totals t SET votes = (SELECT count(*) FROM votes x JOIN videos v ON v.id = x.video_id WHERE v.user_id = t.user_id)
			WHERE t.user_id IN (SELECT user_id FROM videos WHERE id = ANY($1))`,
		`DELETE FROM videos WHERE id = ANY($1)`,
	} {
		if _, err := l.tx.Exec(ctx, sql, t.Gone); err != nil {
			return fmt.Errorf("leave out videos that were deleted: %w", err)
		}
	}
	return nil
}
