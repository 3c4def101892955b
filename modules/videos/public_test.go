package videos

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/textkey"
)

// titles are those of a public list.
func titles(t *testing.T, b *bundle, query string) []string {
	t.Helper()
	a := b.send(t, "GET", "/api/public/videos"+query, uuid.Nil, nil)
	require.Equal(t, 200, a.status, a.text)
	var items []publicItem
	a.into(t, &items)
	out := []string{}
	for _, i := range items {
		out = append(out, i.Title)
	}
	return out
}

func TestPublicList_RefusesBadParameters(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	top := (&cursor{Sort: Top, Votes: 3, ID: uuid.New()}).String()
	recent := (&cursor{Sort: Recent, At: 3, ID: uuid.New()}).String()
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=101", "limit=1e2", "limit=", "limit=+5", "limit=%205", "limit=1&limit=2", "limit=9223372036854775808", "limit=NaN",
		"offset=-1", "offset=1.5", "offset=99999999999", "page=0", "page_size=101", "page=1&limit=5", "sort=oldest", "sort=", "sort=votes&sort=votes",
		"city=%00", "q=%00", "q=%ff", "q=a&q=b", "q=" + strings.Repeat("x", 201), "city=" + strings.Repeat("x", 201),
		"cursor=x", "cursor=", "cursor=%3D%3D", "limit=1;offset=2", "limit=%zz", "offset=3&cursor=" + recent, "page=2&cursor=" + recent, "cursor=" + top, "sort=votes&cursor=" + raw(`{"s":"votes"}{}`), "cursor=" + raw(`null`), "cursor=" + raw(`{"s":"recent","i":"x"}`),
		"cursor=" + raw(`{"s":"recent","t":9223372036854775807}`), "cursor=" + raw(`{"s":"recent","t":-9223372036854775808}`), "cursor=" + raw(`{"s":"recent","t":1e99}`),
		"sort=votes&cursor=" + top + "&cursor=" + top,
	} {
		a := b.send(t, "GET", "/api/public/videos?"+query, uuid.Nil, nil)
		require.Equal(t, 400, a.status, query)
		require.Equal(t, "INVALID_PARAMETER", a.code, query)
	}
}

func TestPublicList_AcceptsTheExtremeCursors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		add(t, d, clip(addPlayer(t, d, "Ana", "Díaz", "Cali"), "Uno", 0, 1))
		for _, c := range []cursor{
			{Sort: Recent}, {Sort: Recent, At: maxCursorTime}, {Sort: Top, Votes: 1<<63 - 1}, {Sort: Top, Votes: -1 << 63},
		} {
			a := b.send(t, "GET", "/api/public/videos?sort="+string(c.Sort)+"&cursor="+c.String(), uuid.Nil, nil)
			require.Equal(t, 200, a.status, a.text)
		}
	})
}

func TestPublicList_ShowsOnlyPublishedVideosAndNothingPrivate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		p := addPlayer(t, d, "Ana", "Díaz", "Bogotá")
		shown := clip(p, "Triple", 3, 7)
		add(t, d, shown, unpublished(p, "a", 0, Uploaded), unpublished(p, "b", 1, Processing), unpublished(p, "c", 2, Failed))
		a := b.send(t, "GET", "/api/public/videos", uuid.Nil, nil)
		require.Equal(t, "1", a.head.Get("X-Total-Count"))
		require.Empty(t, a.head.Get("Link"))
		require.JSONEq(t, fmt.Sprintf(`[{"video_id":%q,"title":"Triple","username":"Ana Díaz","city":"Bogotá","status":"processed",
			"uploaded_at":"2026-03-01T12:03:00Z","processed_at":"2026-03-01T12:03:00Z","processed_url":"/processed/%s","thumbnail_url":"/processed/%s","votes":7}]`,
			shown.ID, *shown.ProcessedKey, *shown.ThumbnailKey), a.text)
		require.Equal(t, 200, b.send(t, "GET", "/api/public/videos/"+shown.ID.String(), uuid.Nil, nil).status)
		same := b.send(t, "GET", "/api/public/videos", uuid.Nil, nil, "If-None-Match", a.head.Get("ETag"))
		require.Equal(t, 304, same.status)
		require.Empty(t, titles(t, b, "?offset=5"))
	})
}

func TestPublicList_SortsAndFilters(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		ana, leo := addPlayer(t, d, "Ana", "Díaz", "Bogotá"), addPlayer(t, d, "Leo", "O'Neil", "Medellín")
		add(t, d, clip(ana, "Triple desde la esquina", 0, 5), clip(leo, "100% Clavada", 1, 9), clip(leo, `Robo_y "pase" !ya`, 2, 5))
		triple, clavada, robo := "Triple desde la esquina", "100% Clavada", `Robo_y "pase" !ya`
		for query, want := range map[string][]string{
			"":                                      {robo, clavada, triple},
			"?sort=recent":                          {robo, clavada, triple},
			"?sort=votes":                           {clavada, robo, triple},
			"?city=" + url.QueryEscape("  BOGOTA "): {triple},
			"?city=" + url.QueryEscape("Bogota\u0301"): {triple},
			"?city=Medell%C3%ADn&sort=votes":           {clavada, robo},
			"?city=Bog":                                {},
			"?city=" + url.QueryEscape(`' OR ''='`):    {},
			"?q=TRIPLÉ":                                {triple},
			"?q=esquina+ana":                           {triple},
			"?q=diaz":                                  {triple},
			"?q=ana+clavada":                           {},
			"?q=%25":                                   {clavada},
			"?q=_":                                     {robo},
			"?q=!":                                     {robo},
			"?q=" + url.QueryEscape("o'neil"):          {robo, clavada},
			"?q=" + url.QueryEscape(`"pase"`):          {robo},
			"?q=" + url.QueryEscape(`\`):               {},
			"?q=+++":                                   {robo, clavada, triple},
			"?limit=1&offset=1":                        {clavada},
			"?page=3&page_size=1":                      {triple},
		} {
			require.Equal(t, want, titles(t, b, query), query)
		}
	})
}

var nextLink = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

func TestPublicList_CursorVisitsEachOfManyEqualVideosOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		p := addPlayer(t, d, "Ana", "Díaz", "Bogotá")
		rows := many(p, 250, 4)
		for i := range rows {
			rows[i].ProcessedAt = rows[0].ProcessedAt // equal in both orders
		}
		add(t, d, rows...)
		for _, sort := range []string{"recent", "votes"} {
			seen := map[uuid.UUID]bool{}
			path := "/api/public/videos?limit=40&q=jugada&sort=" + sort
			for pages := 1; ; pages++ {
				a := b.send(t, "GET", path, uuid.Nil, nil)
				require.Equal(t, 200, a.status, a.text)
				require.Equal(t, "250", a.head.Get("X-Total-Count"))
				var items []publicItem
				a.into(t, &items)
				for _, i := range items {
					require.False(t, seen[i.VideoID], "seen twice")
					seen[i.VideoID] = true
				}
				m := nextLink.FindStringSubmatch(a.head.Get("Link"))
				if m == nil {
					require.Equal(t, 7, pages)
					break
				}
				path = m[1]
			}
			require.Len(t, seen, 250)
		}
	})
}

func TestCities_NamesEachOnceAsTheNewestVideoWritesIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.JSONEq(t, "[]", b.send(t, "GET", "/api/public/cities", uuid.Nil, nil).text)
		add(t, d,
			clip(addPlayer(t, d, "Ana", "Díaz", "bogota"), "vieja", 0, 0), clip(addPlayer(t, d, "Eva", "Paz", "Bogotá"), "nueva", 9, 0),
			clip(addPlayer(t, d, "Leo", "Gil", "Cali"), "cali", 1, 0), unpublished(addPlayer(t, d, "Sol", "Rey", "Pasto"), "no", 2, Uploaded))
		b.Public.Expire()
		require.JSONEq(t, `[{"city":"Bogotá"},{"city":"Cali"}]`, b.send(t, "GET", "/api/public/cities", uuid.Nil, nil).text)
	})
}

func TestPublicDetail_UnknownMalformedAndUnpublishedAreTheSame404(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	hidden := unpublished(addPlayer(t, b.db, "Ana", "Díaz", "Cali"), "no", 0, Processing)
	add(t, b.db, hidden)
	ids := []string{
		hidden.ID.String(), uuid.NewString(), uuid.Nil.String(), "abc", "0", "-1", "1e3", "9223372036854775808", "%00", "%2e%2e", "1%3Bdrop", "null",
		"%7B" + uuid.NewString() + "%7D", "urn:uuid:" + uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", ""), strings.Repeat("x", 10<<10), "%D9%A1%D9%A2",
	}
	for _, id := range ids {
		for _, path := range []string{"/api/public/videos/" + id, "/api/public/videos/" + id + "/stream", "/api/public/videos/" + id + "/thumbnail"} {
			a := b.send(t, "GET", path, uuid.Nil, nil)
			require.Equal(t, 404, a.status, path)
			require.Equal(t, "VIDEO_NOT_FOUND", a.code, path)
		}
	}
}

func TestPlayerChanged_KeepsTheKeysOfVideosEqual(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		p, other := addPlayer(t, d, "Ana", "Díaz", "Bogotá"), addPlayer(t, d, "Leo", "Gil", "Bogotá")
		add(t, d, clip(p, "Triple", 0, 0), clip(other, "Robo", 1, 0))
		require.Equal(t, []string{"Robo", "Triple"}, titles(t, b, "?city=bogota"))
		require.NoError(t, b.catalog.PlayerChanged(t.Context(), p.id, "Ana Ñáñez", "Cali"))
		require.Equal(t, []string{"Robo"}, titles(t, b, "?city=bogota"), "the cache is expired")
		require.Equal(t, []string{"Triple"}, titles(t, b, "?city=CALI&q=nanez+triple"))
		require.Empty(t, titles(t, b, "?q=diaz"))
	})
}

// An upload that reads the profile while it changes must not keep the old keys.
func TestInsert_WaitsForAChangeOfTheProfile(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		v := Video{ID: uuid.New(), UserID: b.user, Title: "Triple", Status: Uploaded, OriginalKey: "a.mp4", UploadedAt: epoch}
		inserted := make(chan error, 1)
		err := d.InTx(t.Context(), func(ctx context.Context) error {
			if err := d.Write(ctx).Exec("UPDATE users SET city = 'Cali', city_key = 'cali' WHERE id = ?", b.user).Error; err != nil {
				return err
			}
			go func() {
				inserted <- d.InTx(t.Context(), func(ctx context.Context) error {
					p, err := b.store.hold(ctx, b.user)
					if err != nil {
						return err
					}
					return b.store.insert(ctx, v, p)
				})
			}()
			if d.Dialect() == database.Postgres { // it has come to wait for us
				require.Eventually(t, func() bool {
					var waiting int64
					require.NoError(t, d.Read(t.Context()).Raw("SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&waiting).Error)
					return waiting > 0
				}, 5*time.Second, 5*time.Millisecond)
			}
			return b.catalog.PlayerChanged(ctx, b.user, "Ana Díaz", "Cali")
		})
		require.NoError(t, err)
		require.NoError(t, <-inserted)
		var key string
		require.NoError(t, d.Read(t.Context()).Table("videos").Where("id = ?", v.ID).Pluck("city_key", &key).Error)
		require.Equal(t, textkey.Fold("Cali"), key)
	})
}
