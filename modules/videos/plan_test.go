package videos

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/httpserver"
)

// multiply adds n copies of each video, in PostgreSQL.
func multiply(t *testing.T, d *database.DB, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, d.Write(t.Context()).Exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes,
				original_sha256, uploaded_at, processed_at, processed_key, thumbnail_key, vote_count)
			SELECT gen_random_uuid(), user_id, title, status, city_key, search_key, ? || original_key, original_bytes,
				original_sha256, uploaded_at, processed_at, ? || processed_key, ? || thumbnail_key, vote_count + 50 * ?
			FROM videos WHERE original_key LIKE 'o-%'`, fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(i), i+1).Error)
	}
}

func TestStore_EveryListIsServedByItsIndex(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		p, few := addPlayer(t, d, "Ana", "Díaz", "Bogotá"), addPlayer(t, d, "Leo", "Gil", "Cali")
		rows := many(p, 1000, 0)
		for i := range rows {
			rows[i].VoteCount = int64(i % 50)
		}
		add(t, d, rows...)
		total := "1030"
		if d.Dialect() == database.Postgres { // SQLite's plans do not depend on sizes
			multiply(t, d, 11)
			total = "10000+"
		}
		add(t, d, many(few, 30, 3)...)
		if d.Dialect() == database.Postgres {
			require.NoError(t, d.Write(t.Context()).Exec("VACUUM videos").Error) // as autovacuum does in time
		}
		require.NoError(t, d.Write(t.Context()).Exec("ANALYZE").Error)

		a := b.send(t, "GET", "/api/public/videos?limit=1", uuid.Nil, nil)
		require.Equal(t, total, a.head.Get("X-Total-Count"))
		a = b.send(t, "GET", "/api/public/videos?limit=1&city=cali", uuid.Nil, nil)
		require.Equal(t, "30", a.head.Get("X-Total-Count"))

		ctx, page := t.Context(), httpserver.Page{Limit: 50}
		last := rows[600]
		list := func(f filter) func() {
			f.page = page
			return func() {
				_, _, err := b.store.list(ctx, f)
				require.NoError(t, err)
			}
		}
		cases := map[string]struct {
			run   func()
			index string
		}{
			"newest":         {list(filter{sort: Recent}), "videos_recent"},
			"newest, cursor": {list(filter{sort: Recent, after: &cursor{Sort: Recent, At: last.ProcessedAt.UnixMicro(), ID: last.ID}}), "videos_recent"},
			"most voted":     {list(filter{sort: Top}), "videos_top"},
			"voted, cursor":  {list(filter{sort: Top, after: &cursor{Sort: Top, Votes: 200, ID: last.ID}}), "videos_top"},
			"newest of city": {list(filter{sort: Recent, city: "Cali"}), "videos_city_recent"},
			"voted of city":  {list(filter{sort: Top, city: "Cali"}), "videos_city_top"},
			"own": {func() {
				_, err := b.store.own(ctx, few.id, false)
				require.NoError(t, err)
			}, "videos_own"},
			"cities": {func() {
				names, err := b.store.cities(ctx)
				require.NoError(t, err)
				require.Equal(t, []string{"Bogotá", "Cali"}, names)
			}, "videos_city"},
			"known originals": {func() {
				known, err := b.catalog.KnownOriginals(ctx, []string{last.OriginalKey, "x"})
				require.NoError(t, err)
				require.Equal(t, map[string]bool{last.OriginalKey: true}, known)
			}, "videos_original_key_key|sqlite_autoindex_videos"},
		}
		if d.Dialect() == database.Postgres { // SQLite has no trigrams: dev mode scans
			cases["search"] = struct {
				run   func()
				index string
			}{list(filter{sort: Recent, search: "00777"}), "videos_(search|words)"} // the dashboard looks into all of them
		}
		for name, c := range cases {
			got := dbtest.Plans(t, d, c.run)
			require.NotEmpty(t, got, name)
			for _, plan := range got {
				require.Regexp(t, c.index, plan, name)
				require.NotRegexp(t, `Seq Scan on videos|SCAN v(ideos)?\n|Sort Key: v\.(processed_at|vote_count).*\n.*Seq`, plan, name)
			}
		}
	})
}
