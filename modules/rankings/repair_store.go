package rankings

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"anb/platform/audit"
	"anb/platform/database"
)

// Repair sets each counter that Audit names to the number of its votes, and
// tells which. Votes may be cast meanwhile. Each counter has a transaction of
// its own, which looks again under the locks of a vote: the video's row, then
// the player's total. It ends with the first error; what was told is done.
func Repair(ctx context.Context, d *database.DB, done audit.Report) error {
	for _, what := range []struct {
		list func(context.Context, *database.DB) ([]miscount, error)
		mend func(context.Context, *database.DB, uuid.UUID) (was, is int64, err error)
	}{{videoMiscounts, recountVideo}, {playerMiscounts, recountPlayer}} {
		wrong, err := what.list(ctx, d)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			var was, is int64
			err := d.InTx(ctx, func(ctx context.Context) (err error) {
				was, is, err = what.mend(ctx, d, w.ID)
				return err
			})
			if err != nil {
				return fmt.Errorf("repair counter %s: %w", w.subject, err)
			}
			if was != is {
				done(audit.Finding{Check: "counter", Subject: w.subject, Detail: fmt.Sprintf("said %d, and says %d now, as many as there are votes", was, is)})
			}
		}
	}
	return nil
}

// recountVideo sets a video's counter. A video that is gone has none.
func recountVideo(ctx context.Context, d *database.DB, id uuid.UUID) (was, is int64, err error) {
	tx := d.Write(ctx)
	if err := tx.Raw("SELECT vote_count FROM videos WHERE id = ?"+forUpdate(d), id).Scan(&was).Error; err != nil {
		return 0, 0, err
	}
	// Another statement, and so a later look: it sees the votes for which the
	// lock was awaited.
	if err := tx.Raw("SELECT count(*) FROM votes WHERE video_id = ?", id).Scan(&is).Error; err != nil || was == is {
		return was, is, err
	}
	return was, is, tx.Exec("UPDATE videos SET vote_count = ? WHERE id = ?", is, id).Error
}

// recountPlayer sets a player's total, and the time at which it was reached to
// that of the latest vote.
func recountPlayer(ctx context.Context, d *database.DB, id uuid.UUID) (was, is int64, err error) {
	tx := d.Write(ctx)
	var videos []uuid.UUID
	if err := tx.Raw("SELECT id FROM videos WHERE user_id = ? ORDER BY id"+forUpdate(d), id).Scan(&videos).Error; err != nil {
		return 0, 0, err
	}
	// There must be a row to lock: a video published just now is not among those
	// above, and its first vote would make one.
	err = tx.Exec(`INSERT INTO player_totals (user_id, city_key, votes, reached_at)
		SELECT id, city_key, 0, `+d.Now()+` FROM users WHERE id = ? ON CONFLICT (user_id) DO NOTHING`, id).Error
	if err != nil {
		return 0, 0, err
	}
	if err := tx.Raw("SELECT votes FROM player_totals WHERE user_id = ?"+forUpdate(d), id).Scan(&was).Error; err != nil {
		return 0, 0, err
	}
	const cast = "FROM votes x JOIN videos v ON v.id = x.video_id WHERE v.user_id = ?"
	if err := tx.Raw("SELECT count(*) "+cast, id).Scan(&is).Error; err != nil || was == is {
		return was, is, err
	}
	return was, is, tx.Exec(`UPDATE player_totals SET votes = ?, reached_at = coalesce((SELECT max(x.created_at) `+cast+`), reached_at)
		WHERE user_id = ?`, is, id, id).Error
}

// forUpdate locks the rows of a SELECT; SQLite has one writer at a time.
func forUpdate(d *database.DB) string {
	if d.Dialect() == database.Postgres {
		return " FOR UPDATE"
	}
	return ""
}
