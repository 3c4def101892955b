package videos

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/textkey"
)

// row is a line of the table videos.
type row struct {
	ID             uuid.UUID `gorm:"primaryKey"`
	UserID         uuid.UUID
	Title          string
	Status         Status
	CityKey        string
	SearchKey      string
	OriginalKey    string
	OriginalBytes  int64
	OriginalSHA256 string `gorm:"column:original_sha256"`
	StartMS        int64  `gorm:"column:start_ms"`
	UploadedAt     database.Time
	ProcessedAt    *database.Time
	ProcessedKey   *string
	ThumbnailKey   *string
	FailureCode    *string
	VoteCount      int64
	IdempotencyKey *string
	// Of the published files; nil where an older version published.
	ProcessedBytes  *int64
	ProcessedSHA256 *string `gorm:"column:processed_sha256"`
	ThumbnailBytes  *int64
	ThumbnailSHA256 *string `gorm:"column:thumbnail_sha256"`
	// Of the upload; nil where an older version took it.
	OriginalMS     *int64 `gorm:"column:original_ms"`
	OriginalWidth  *int
	OriginalHeight *int
	OriginalCodec  *string
}

func (row) TableName() string { return "videos" }

func (r row) video() Video {
	v := Video{
		ID: r.ID, UserID: r.UserID, Title: r.Title, Status: r.Status,
		OriginalKey: r.OriginalKey, OriginalBytes: r.OriginalBytes, OriginalSHA256: r.OriginalSHA256,
		Start: time.Duration(r.StartMS) * time.Millisecond, UploadedAt: r.UploadedAt.Time, Votes: r.VoteCount,
	}
	if r.ProcessedAt != nil && r.ProcessedKey != nil && r.ThumbnailKey != nil {
		v.ProcessedAt, v.ProcessedKey, v.ThumbnailKey = r.ProcessedAt.Time, *r.ProcessedKey, *r.ThumbnailKey
	}
	if r.FailureCode != nil {
		v.FailureCode = *r.FailureCode
	}
	return v
}

type store struct{ db *database.DB }

// holder is what a video repeats of its player.
type holder struct{ FirstName, LastName, CityKey string }

// hold returns a player, and keeps a change of the profile and other uploads
// of the same player waiting for the rest of the transaction that ctx carries.
// Votes do not wait.
func (s store) hold(ctx context.Context, userID uuid.UUID) (p holder, err error) {
	q := s.db.Write(ctx).Table("users").Select("first_name, last_name, city_key").Where("id = ?", userID)
	if s.db.Dialect() == database.Postgres { // in SQLite the transaction is immediate
		q = q.Clauses(clause.Locking{Strength: "NO KEY UPDATE"})
	}
	err = q.Take(&p).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return p, fault.ErrUnauthenticated.Because(err) // the account went while the file came
	}
	return p, err
}

// insert records a new video of player p, whom the transaction holds.
func (s store) insert(ctx context.Context, v Video, p holder) error {
	ms := v.Measured.Duration.Milliseconds()
	r := row{
		ID: v.ID, UserID: v.UserID, Title: v.Title, Status: v.Status,
		CityKey: p.CityKey, SearchKey: searchKey(v.Title, p.FirstName+" "+p.LastName),
		OriginalKey: v.OriginalKey, OriginalBytes: v.OriginalBytes, OriginalSHA256: v.OriginalSHA256,
		StartMS: v.Start.Milliseconds(), UploadedAt: database.At(v.UploadedAt),
		OriginalMS: &ms, OriginalWidth: &v.Measured.Width, OriginalHeight: &v.Measured.Height, OriginalCodec: &v.Measured.Codec,
	}
	if v.IdempotencyKey != "" {
		r.IdempotencyKey = &v.IdempotencyKey
	}
	return s.db.Write(ctx).Create(&r).Error
}

// get returns ErrNotFound when there is no such video.
func (s store) get(ctx context.Context, id uuid.UUID) (Video, error) {
	var r row
	err := s.db.Read(ctx).Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Video{}, ErrNotFound
	}
	return r.video(), err
}

// page lists at most limit videos whose ids come after the given one, in the
// order of ids.
func (s store) page(ctx context.Context, after uuid.UUID, limit int) (rows []row, err error) {
	err = s.db.Read(ctx).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error
	return rows, err
}

// keyed returns the player's video with that key that has not failed.
func (s store) keyed(ctx context.Context, userID uuid.UUID, key string) (Video, error) {
	return s.first(ctx, "user_id = ? AND idempotency_key = ? AND status <> ?", userID, key, Failed)
}

// alike returns the player's first video of that file and start, uploaded
// after since, that has not failed.
func (s store) alike(ctx context.Context, userID uuid.UUID, sha256 string, start time.Duration, since time.Time) (Video, error) {
	return s.first(ctx, "user_id = ? AND original_sha256 = ? AND start_ms = ? AND uploaded_at > ? AND status <> ?",
		userID, sha256, start.Milliseconds(), database.At(since), Failed)
}

func (s store) first(ctx context.Context, where string, args ...any) (Video, error) {
	var r row
	err := s.db.Write(ctx).Where(where, args...).Order("uploaded_at, id").Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Video{}, ErrNotFound
	}
	return r.video(), err
}

// original returns ErrNotFound when there is no such video.
func (s store) original(ctx context.Context, id uuid.UUID) (Original, error) {
	var r struct {
		OriginalKey         string
		StartMS             int64 `gorm:"column:start_ms"`
		FirstName, LastName string
		City                string
		Measured            bool
	}
	err := s.db.Read(ctx).Table("videos AS v").Joins("JOIN users AS u ON u.id = v.user_id").
		Select("v.original_key, v.start_ms, u.first_name, u.last_name, u.city, v.original_ms IS NOT NULL AS measured").Where("v.id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Original{}, ErrNotFound
	}
	return Original{
		Key: r.OriginalKey, Start: time.Duration(r.StartMS) * time.Millisecond, Player: r.FirstName + " " + r.LastName, City: r.City,
		Measured: r.Measured,
	}, err
}

// lock is get for the rest of the transaction that ctx carries: nobody else
// changes the row meanwhile.
func (s store) lock(ctx context.Context, id uuid.UUID) (Video, error) {
	var r row
	q := s.db.Write(ctx).Where("id = ?", id)
	if s.db.Dialect() == database.Postgres { // in SQLite the transaction is immediate
		q = q.Clauses(clause.Locking{Strength: "UPDATE"})
	}
	err := q.Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Video{}, ErrNotFound
	}
	return r.video(), err
}

func (s store) delete(ctx context.Context, id uuid.UUID) error {
	return s.db.Write(ctx).Delete(&row{}, "id = ?", id).Error
}

// own lists a player's videos, oldest first unless newest is set.
func (s store) own(ctx context.Context, userID uuid.UUID, newest bool) ([]Video, error) {
	order := "uploaded_at, id"
	if newest {
		order = "uploaded_at DESC, id DESC"
	}
	var rows []row
	err := s.db.Read(ctx).Where("user_id = ?", userID).Order(order).Find(&rows).Error
	vs := make([]Video, len(rows))
	for i, r := range rows {
		vs[i] = r.video()
	}
	return vs, err
}

// setStatus moves a video that is not final to status; it reports whether
// there was one.
func (s store) setStatus(ctx context.Context, id uuid.UUID, values map[string]any) (bool, error) {
	r := s.db.Write(ctx).Model(&row{}).
		Where("id = ? AND status IN ?", id, []Status{Uploaded, Processing}).Updates(values)
	return r.RowsAffected == 1, r.Error
}

// reopen moves a failed video back to where it was before it was processed.
func (s store) reopen(ctx context.Context, id uuid.UUID) error {
	return s.db.Write(ctx).Model(&row{}).Where("id = ? AND status = ?", id, Failed).
		Updates(map[string]any{"status": Uploaded, "failure_code": nil}).Error
}

// measure writes down what an upload is like, once.
func (s store) measure(ctx context.Context, id uuid.UUID, m Measured) error {
	return s.db.Write(ctx).Model(&row{}).Where("id = ? AND original_ms IS NULL", id).Updates(map[string]any{
		"original_ms": m.Duration.Milliseconds(), "original_width": m.Width, "original_height": m.Height, "original_codec": m.Codec,
	}).Error
}

// rename keeps city and search keys equal to the player's profile.
func (s store) rename(ctx context.Context, userID uuid.UUID, name, city string) error {
	var rows []struct {
		ID    uuid.UUID
		Title string
	}
	if err := s.db.Write(ctx).Table("videos").Select("id, title").Where("user_id = ?", userID).Order("id").Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows { // a player has a few videos
		err := s.db.Write(ctx).Model(&row{}).Where("id = ?", r.ID).
			Updates(map[string]any{"city_key": textkey.Fold(city), "search_key": searchKey(r.Title, name)}).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// keys reports which of the given file keys some video refers to.
func (s store) keys(ctx context.Context, column string, keys []string) (map[string]bool, error) {
	var found []string
	err := s.db.Read(ctx).Table("videos").Where(clause.IN{Column: clause.Column{Name: column}, Values: anys(keys)}).Pluck(column, &found).Error
	known := make(map[string]bool, len(found))
	for _, k := range found {
		known[k] = true
	}
	return known, err
}

func anys(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// escapeLike makes s match itself in LIKE … ESCAPE '!'.
var escapeLike = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")
