package rankings

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/textkey"
)

type store struct{ db *database.DB }

// ballot is what one vote statement found and did.
type ballot struct {
	Open  bool // by the database's clock
	Owner *uuid.UUID
	Voted bool // a row was inserted and both counters moved
}

// vote inserts the vote and, only if a row came of it, moves the video's and
// the player's counter. own says whether a player may vote for an own video.
func (s store) vote(ctx context.Context, userID, videoID uuid.UUID, w Window, own bool) (ballot, error) {
	if s.db.Dialect() == database.SQLite {
		return s.voteInSteps(ctx, userID, videoID, w, own)
	}
	var b ballot
	// One statement. The video's row is locked before the player's total in
	// every vote (total reads from counted), so that votes cannot deadlock.
	err := s.db.Write(ctx).Raw(`
WITH w AS (
	SELECT (?::timestamptz IS NULL OR clock_timestamp() >= ?) AND (?::timestamptz IS NULL OR clock_timestamp() < ?) AS open
), v AS (
	SELECT id, user_id, city_key FROM videos WHERE id = ? AND status = 'processed'
), cast_vote AS (
	INSERT INTO votes (user_id, video_id, created_at)
	SELECT ?, v.id, clock_timestamp() FROM v, w WHERE w.open AND (? OR v.user_id <> ?)
	ON CONFLICT DO NOTHING RETURNING video_id
), counted AS (
	UPDATE videos SET vote_count = vote_count + 1 WHERE id IN (SELECT video_id FROM cast_vote) RETURNING user_id, city_key
), total AS (
	INSERT INTO player_totals AS t (user_id, city_key, votes, reached_at)
	SELECT user_id, city_key, 1, clock_timestamp() FROM counted
	ON CONFLICT (user_id) DO UPDATE SET votes = t.votes + 1, reached_at = greatest(t.reached_at, clock_timestamp())
)
SELECT w.open AS open, (SELECT user_id FROM v) AS owner, EXISTS (SELECT 1 FROM cast_vote) AS voted FROM w`,
		nullable(w.Opens), nullable(w.Opens), nullable(w.Closes), nullable(w.Closes), videoID, userID, own, userID).
		Find(&b).Error
	return b, err
}

// voteInSteps is vote for SQLite, which has no INSERT inside WITH.
func (s store) voteInSteps(ctx context.Context, userID, videoID uuid.UUID, w Window, own bool) (b ballot, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		tx := s.db.Write(ctx)
		now, err := s.now(tx)
		if err != nil {
			return err
		}
		b.Open = w.contains(now.Time)
		var v struct {
			UserID  uuid.UUID
			CityKey string
		}
		err = tx.Table("videos").Select("user_id, city_key").Where("id = ? AND status = 'processed'", videoID).Take(&v).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b.Owner = &v.UserID
		if !b.Open || (!own && v.UserID == userID) {
			return nil
		}
		r := tx.Exec("INSERT INTO votes (user_id, video_id, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", userID, videoID, now)
		if r.Error != nil || r.RowsAffected == 0 {
			return r.Error
		}
		b.Voted = true
		if err := tx.Exec("UPDATE videos SET vote_count = vote_count + 1 WHERE id = ?", videoID).Error; err != nil {
			return err
		}
		return tx.Exec(`INSERT INTO player_totals (user_id, city_key, votes, reached_at) VALUES (?, ?, 1, ?)
			ON CONFLICT (user_id) DO UPDATE SET votes = votes + 1, reached_at = max(reached_at, excluded.reached_at)`,
			v.UserID, v.CityKey, now).Error
	})
	return b, err
}

func (w Window) contains(now time.Time) bool {
	return (w.Opens.IsZero() || !now.Before(w.Opens)) && (w.Closes.IsZero() || now.Before(w.Closes))
}

// open reports whether votes count now, by the database's clock.
func (s store) open(ctx context.Context, w Window) (bool, error) {
	if w == (Window{}) {
		return true, nil
	}
	now, err := s.now(s.db.Read(ctx))
	return err == nil && w.contains(now.Time), err
}

// now reads the database's clock.
func (s store) now(on *gorm.DB) (database.Time, error) {
	var clock struct{ Now database.Time }
	err := on.Raw("SELECT " + s.db.Now() + " AS now").Find(&clock).Error
	return clock.Now, err
}

func nullable(t time.Time) *database.Time {
	if t.IsZero() {
		return nil
	}
	return &database.Time{Time: t}
}

// standing is one player's line in the ranking.
type standing struct {
	Username string
	City     string
	Votes    int64
}

// ranking lists players with votes, most first; ties go to whoever reached the
// total first, then by id.
func (s store) ranking(ctx context.Context, city string, p httpserver.Page) ([]standing, error) {
	var out []standing
	err := s.players(ctx, city).
		Select("u.first_name || ' ' || u.last_name AS username, u.city, t.votes").
		Joins("JOIN users u ON u.id = t.user_id").
		Order("t.votes DESC, t.reached_at, t.user_id").Limit(p.Limit).Offset(p.Offset).Find(&out).Error
	return out, err
}

// count counts the players with votes, no further than httpserver.MaxCount+1.
func (s store) count(ctx context.Context, city string) (int64, error) {
	var n int64
	some := s.players(ctx, city).Select("1").Limit(httpserver.MaxCount + 1)
	err := s.db.Read(ctx).Table("(?) AS matches", some).Count(&n).Error
	return n, err
}

func (s store) players(ctx context.Context, city string) *gorm.DB {
	q := s.db.Read(ctx).Table("player_totals t").Where("t.votes > 0")
	if city != "" {
		q = q.Where("t.city_key = ?", textkey.Fold(city))
	}
	return q
}

// poll is what a voter may know about a video.
type poll struct {
	UserID    uuid.UUID // the player
	VoteCount int64
	Voted     bool
}

// poll returns ErrVideoNotFound unless the video is published.
func (s store) poll(ctx context.Context, userID, videoID uuid.UUID) (poll, error) {
	var p poll
	err := s.db.Read(ctx).Table("videos v").
		Select("v.user_id, v.vote_count, EXISTS (SELECT 1 FROM votes x WHERE x.user_id = ? AND x.video_id = v.id) AS voted", userID).
		Where("v.id = ? AND v.status = 'processed'", videoID).Take(&p).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return poll{}, ErrVideoNotFound
	}
	return p, err
}

// move follows a player to another city.
func (s store) move(ctx context.Context, userID uuid.UUID, city string) error {
	return s.db.Write(ctx).Table("player_totals").Where("user_id = ?", userID).Update("city_key", textkey.Fold(city)).Error
}
