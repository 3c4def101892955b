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
	for _, list := range []func(context.Context, *database.DB) ([]miscount, error){videoMiscounts, playerMiscounts} {
		wrong, err := list(ctx, d)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			report(audit.Finding{Check: "counter", Subject: w.subject, Detail: fmt.Sprintf("says %d, there are %d votes", w.Counter, w.CastVotes)})
		}
	}
	return nil
}

// miscount is a counter that is not the number of its votes.
type miscount struct {
	ID        uuid.UUID
	Counter   int64
	CastVotes int64
	subject   string
}

func videoMiscounts(ctx context.Context, d *database.DB) ([]miscount, error) {
	return miscounts(ctx, d, "of video", `SELECT v.id AS id, v.vote_count AS counter, count(x.user_id) AS cast_votes
		FROM videos v LEFT JOIN votes x ON x.video_id = v.id
		GROUP BY v.id, v.vote_count HAVING v.vote_count <> count(x.user_id) ORDER BY v.id`)
}

func playerMiscounts(ctx context.Context, d *database.DB) ([]miscount, error) {
	return miscounts(ctx, d, "of player", `SELECT u.id AS id, coalesce(t.votes, 0) AS counter, coalesce(s.cast_votes, 0) AS cast_votes
		FROM users u LEFT JOIN player_totals t ON t.user_id = u.id
		LEFT JOIN (SELECT v.user_id, count(*) AS cast_votes FROM votes x JOIN videos v ON v.id = x.video_id GROUP BY v.user_id) s ON s.user_id = u.id
		WHERE coalesce(t.votes, 0) <> coalesce(s.cast_votes, 0) ORDER BY u.id`)
}

func miscounts(ctx context.Context, d *database.DB, of, query string) ([]miscount, error) {
	var wrong []miscount
	if err := d.Read(ctx).Raw(query).Scan(&wrong).Error; err != nil {
		return nil, fmt.Errorf("compare counters %s: %w", of, err)
	}
	for i := range wrong {
		wrong[i].subject = of + " " + wrong[i].ID.String()
	}
	return wrong, nil
}
