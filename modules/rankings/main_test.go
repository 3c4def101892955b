package rankings

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/identity"
	"anb/platform/textkey"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// bundle is a module behind a real echo.
type bundle struct {
	*Module
	echo *echo.Echo
}

func setup(t *testing.T, d *database.DB, change ...func(*Config)) bundle {
	t.Helper()
	config := Config{OwnVideo: true}
	for _, f := range change {
		f(&config)
	}
	log := slog.New(slog.DiscardHandler)
	m, err := New(Deps{DB: d, Public: cache.New(time.Hour, 1000, time.Now), Require: believe, Log: log, Config: config})
	require.NoError(t, err)
	e, err := httpserver.New(httpserver.Config{}, log, nil)
	require.NoError(t, err)
	m.Routes(e)
	return bundle{m, e}
}

// believe believes the caller's id as it is sent.
func believe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := uuid.Parse(strings.TrimPrefix(c.Request().Header.Get("Authorization"), "Bearer "))
		if err != nil {
			return fault.ErrUnauthenticated
		}
		ctx := identity.With(c.Request().Context(), identity.Principal{UserID: id, Role: identity.Player})
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// answer is what a request got.
type answer struct {
	status int
	head   http.Header
	body   string
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.body), v), a.body)
}

// code is the stable code of an error.
func (a answer) code(t *testing.T) string {
	t.Helper()
	var p struct{ Code string }
	a.into(t, &p)
	return p.Code
}

func (b bundle) send(t *testing.T, method, path string, user uuid.UUID, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if user != uuid.Nil {
		r.Header.Set("Authorization", "Bearer "+user.String())
	}
	w := httptest.NewRecorder()
	b.echo.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func (b bundle) cast(t *testing.T, user, video uuid.UUID) answer {
	t.Helper()
	return b.send(t, "POST", "/api/public/videos/"+video.String()+"/vote", user, "")
}

// ranked returns the ranking that query asks for.
func (b bundle) ranked(t *testing.T, query string) []rankingItem {
	t.Helper()
	a := b.send(t, "GET", "/api/public/rankings"+query, uuid.Nil, "")
	require.Equal(t, 200, a.status, a.body)
	var items []rankingItem
	a.into(t, &items)
	return items
}

func names(items []rankingItem) []string {
	out := []string{}
	for _, i := range items {
		out = append(out, i.Username)
	}
	return out
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// addUser adds an account called name in city.
func addUser(t *testing.T, d *database.DB, name, city string) uuid.UUID {
	t.Helper()
	return addUserIn(t, t.Context(), d, name, city)
}

func addUserIn(t *testing.T, ctx context.Context, d *database.DB, name, city string) uuid.UUID {
	t.Helper()
	id, now := newID(), database.At(time.Now())
	require.NoError(t, d.Write(ctx).Exec(`INSERT INTO users
		(id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		VALUES (?, ?, ?, 'x', ?, 'Gil', ?, ?, 'Colombia', ?, ?)`,
		id, id.String()+"@x.co", id.String()+"@x.co", name, city, textkey.Fold(city), now, now).Error)
	return id
}

func addUsers(t *testing.T, d *database.DB, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
		for i := range ids {
			ids[i] = addUserIn(t, ctx, d, "Eva", "Cali")
		}
		return nil
	}))
	return ids
}

// addVideo adds a video of player in the given status.
func addVideo(t *testing.T, d *database.DB, player uuid.UUID, status string) uuid.UUID {
	t.Helper()
	id, now := newID(), database.At(time.Now())
	var at *database.Time
	var file, poster, failure *string
	switch status {
	case "processed":
		v, p := id.String()+".mp4", id.String()+".jpg"
		at, file, poster = &now, &v, &p
	case "failed":
		f := "TRUNCATED"
		failure = &f
	}
	require.NoError(t, d.Write(t.Context()).Exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key,
			original_bytes, original_sha256, uploaded_at, processed_at, processed_key, thumbnail_key, failure_code)
		SELECT ?, id, 'Triple', ?, city_key, 'triple', ?, 1, '', ?, ?, ?, ?, ? FROM users WHERE id = ?`,
		id, status, id.String(), now, at, file, poster, failure, player).Error)
	return id
}

// requireCounted compares every counter with the rows it counts.
func requireCounted(t *testing.T, d *database.DB) {
	t.Helper()
	wrong := func(query string) {
		t.Helper()
		var n int64
		require.NoError(t, d.Read(t.Context()).Raw(query).Find(&n).Error)
		require.Zero(t, n, query)
	}
	wrong("SELECT count(*) FROM videos v WHERE vote_count <> (SELECT count(*) FROM votes WHERE video_id = v.id)")
	wrong(`SELECT count(*) FROM player_totals t WHERE votes <>
		(SELECT count(*) FROM votes x JOIN videos v ON v.id = x.video_id WHERE v.user_id = t.user_id)`)
	wrong(`SELECT count(*) FROM votes x JOIN videos v ON v.id = x.video_id
		WHERE NOT EXISTS (SELECT 1 FROM player_totals t WHERE t.user_id = v.user_id)`)
}

func countVotes(t *testing.T, d *database.DB) (n int64) {
	t.Helper()
	require.NoError(t, d.Read(t.Context()).Table("votes").Count(&n).Error)
	return n
}
