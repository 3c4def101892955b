package rankings

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"anb/platform/audit"
	"anb/platform/database"
)

// Audit reports each counter that is not the number of votes that it counts.
// It changes nothing; each comparison is of one moment. An error means that it
// could not look.
func Audit(ctx context.Context, d *database.DB, report audit.Report) error {
	for _, q := range []struct{ subject, sql string }{
		{"of video", `SELECT v.id AS id, v.vote_count AS counter, count(x.user_id) AS cast_votes
			FROM videos v LEFT JOIN votes x ON x.video_id = v.id
			GROUP BY v.id, v.vote_count HAVING v.vote_count <> count(x.user_id) ORDER BY v.id`},
		{"of player", `SELECT u.id AS id, coalesce(t.votes, 0) AS counter, coalesce(s.cast_votes, 0) AS cast_votes
			FROM users u LEFT JOIN player_totals t ON t.user_id = u.id
			LEFT JOIN (SELECT v.user_id, count(*) AS cast_votes FROM votes x JOIN videos v ON v.id = x.video_id GROUP BY v.user_id) s ON s.user_id = u.id
			WHERE coalesce(t.votes, 0) <> coalesce(s.cast_votes, 0) ORDER BY u.id`},
	} {
		var wrong []struct {
			ID        uuid.UUID
			Counter   int64
			CastVotes int64
		}
		if err := d.Read(ctx).Raw(q.sql).Scan(&wrong).Error; err != nil {
			return fmt.Errorf("compare counters %s: %w", q.subject, err)
		}
		for _, w := range wrong {
			report(audit.Finding{
				Check: "counter", Subject: q.subject + " " + w.ID.String(),
				Detail: fmt.Sprintf("says %d, there are %d votes", w.Counter, w.CastVotes),
			})
		}
	}
	return nil
}
