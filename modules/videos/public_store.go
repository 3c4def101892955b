package videos

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/textkey"
)

// Sort is the order of the public list.
type Sort string

// The orders, newest or most voted first; ties go to the newer id.
const (
	Recent Sort = "recent"
	Top    Sort = "votes"
)

// filter is what a request of the public list asks for.
type filter struct {
	city   string // any spelling; empty: all
	search string // every word must occur in title or player's name
	sort   Sort
	page   httpserver.Page
	after  *cursor // instead of the page's offset
}

// published is what the public sees of a video.
type published struct {
	ID           uuid.UUID
	Title        string
	Username     string
	City         string
	UploadedAt   database.Time
	ProcessedAt  database.Time
	ProcessedKey string
	ThumbnailKey string
	VoteCount    int64
}

const publicColumns = "v.id, v.title, u.first_name || ' ' || u.last_name AS username, u.city, v.uploaded_at, v.processed_at, v.processed_key, v.thumbnail_key, v.vote_count"

func (s store) published(ctx context.Context, id uuid.UUID) (published, error) {
	var p published
	err := s.db.Read(ctx).Table("videos v").Select(publicColumns).Joins("JOIN users u ON u.id = v.user_id").
		Where("v.id = ? AND v.status = 'processed'", id).Take(&p).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return published{}, ErrNotFound
	}
	return p, err
}

// list returns one page and the cursor of the next, nil at the end.
func (s store) list(ctx context.Context, f filter) ([]published, *cursor, error) {
	q := s.matching(ctx, f).Select(publicColumns).Joins("JOIN users u ON u.id = v.user_id")
	column := "v.processed_at"
	if f.sort == Top {
		column = "v.vote_count"
	}
	if f.after != nil {
		q = q.Where("("+column+", v.id) < (?, ?)", f.after.value(f.sort), f.after.ID)
	} else {
		q = q.Offset(f.page.Offset)
	}
	var rows []published
	// One more than asked for tells whether there is a next page.
	if err := q.Order(column + " DESC, v.id DESC").Limit(f.page.Limit + 1).Find(&rows).Error; err != nil {
		return nil, nil, err
	}
	if len(rows) <= f.page.Limit {
		return rows, nil, nil
	}
	rows = rows[:f.page.Limit]
	last := rows[len(rows)-1]
	return rows, &cursor{Sort: f.sort, Votes: last.VoteCount, At: last.ProcessedAt.UnixMicro(), ID: last.ID}, nil
}

// count counts the matches, no further than httpserver.MaxCount+1.
func (s store) count(ctx context.Context, f filter) (int64, error) {
	var n int64
	some := s.matching(ctx, f).Select("1").Limit(httpserver.MaxCount + 1)
	err := s.db.Read(ctx).Table("(?) AS matches", some).Count(&n).Error
	return n, err
}

func (s store) matching(ctx context.Context, f filter) *gorm.DB {
	q := s.db.Read(ctx).Table("videos v").Where("v.status = 'processed'")
	if f.city != "" {
		q = q.Where("v.city_key = ?", textkey.Fold(f.city))
	}
	for word := range strings.FieldsSeq(textkey.Fold(f.search)) {
		q = q.Where("v.search_key LIKE ? ESCAPE '!'", "%"+escapeLike.Replace(word)+"%")
	}
	return q
}

// cities lists the cities that have published videos, each as its first such
// player writes it. It jumps along the index: its cost grows with the cities,
// not with the videos.
func (s store) cities(ctx context.Context) ([]string, error) {
	var names []string
	err := s.db.Read(ctx).Raw(`
WITH RECURSIVE c(k) AS (
	SELECT min(city_key) FROM videos WHERE status = 'processed'
	UNION ALL
	SELECT (SELECT min(city_key) FROM videos WHERE status = 'processed' AND city_key > c.k) FROM c WHERE c.k IS NOT NULL
)
SELECT (SELECT u.city FROM videos v JOIN users u ON u.id = v.user_id
        WHERE v.status = 'processed' AND v.city_key = c.k ORDER BY v.processed_at DESC, v.id DESC LIMIT 1)
FROM c WHERE c.k IS NOT NULL ORDER BY k`).Scan(&names).Error
	return names, err
}

// cursor is the last item of a page. To clients it is opaque.
type cursor struct {
	Sort  Sort      `json:"s"`
	Votes int64     `json:"v,omitempty"`
	At    int64     `json:"t,omitempty"` // microseconds since 1970
	ID    uuid.UUID `json:"i"`
}

func (c *cursor) value(s Sort) any {
	if s == Top {
		return c.Votes
	}
	return database.At(time.UnixMicro(c.At))
}

// String encodes the cursor for an address.
func (c *cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil { // a struct of plain fields always encodes
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// maxCursorTime is the end of the year 9999: later times are not ours, and no
// database stores all of them.
const maxCursorTime = 253402300799_000000

// parseCursor accepts what String made for the same order.
func parseCursor(s string, sort Sort) (*cursor, error) {
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &c) != nil || c.Sort != sort || c.At < 0 || c.At > maxCursorTime {
		return nil, fault.ErrParameter
	}
	return &c, nil
}
