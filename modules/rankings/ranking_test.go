package rankings

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/textkey"
)

// setTotal gives a player a total, reached at the given second.
func setTotal(t *testing.T, ctx context.Context, d *database.DB, user uuid.UUID, city string, votes, second int) {
	t.Helper()
	require.NoError(t, d.Write(ctx).Exec("INSERT INTO player_totals (user_id, city_key, votes, reached_at) VALUES (?, ?, ?, ?)",
		user, textkey.Fold(city), votes, database.At(time.Unix(int64(second), 0))).Error)
}

func TestRanking_RefusesBadParameters(t *testing.T) {
	t.Parallel()
	b := setup(t, dbtest.SQLite(t))
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=101", "limit=abc", "limit=", "limit=1&limit=2", "page=0", "page_size=101", "page=1&limit=1",
		"offset=-1", "offset=1e9", "city=a&city=b", "city=%00", "city=%ff",
	} {
		a := b.send(t, "GET", "/api/public/rankings?"+query, uuid.Nil, "")
		require.Equal(t, http.StatusBadRequest, a.status, query)
		require.Contains(t, a.body, "Parámetro inválido en la consulta.", query)
	}
}

func TestRanking_OfNobodyIsAnEmptyArray(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player := addUser(t, d, "Ana", "Cali")
		setTotal(t, t.Context(), d, player, "Cali", 0, 1) // no votes: not ranked
		for _, query := range []string{"", "city=cali", "city=" + url.QueryEscape("' OR ''='"), "offset=100"} {
			a := b.send(t, "GET", "/api/public/rankings?"+query, uuid.Nil, "")
			require.Equal(t, http.StatusOK, a.status, query)
			require.JSONEq(t, "[]", a.body, query)
			require.Equal(t, "0", a.head.Get("X-Total-Count"))
		}
	})
}

func TestRanking_OrdersByVotesThenWhoReachedThemFirstThenID(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		add := func(name string, votes, second int) {
			setTotal(t, t.Context(), d, addUser(t, d, name, "Cali"), "Cali", votes, second)
		}
		add("Late", 5, 30)
		add("Early", 5, 10)
		add("TwinA", 5, 20)
		add("TwinB", 5, 20) // a later id: they are made in order
		add("Most", 6, 99)
		add("None", 0, 1)
		add("Few", 1, 1)
		items := b.ranked(t, "")
		require.Equal(t, []string{"Most Gil", "Early Gil", "TwinA Gil", "TwinB Gil", "Late Gil", "Few Gil"}, names(items))
		for i, item := range items {
			require.Equal(t, i+1, item.Position)
		}
		a := b.send(t, "GET", "/api/public/rankings?limit=1", uuid.Nil, "")
		require.JSONEq(t, `[{"position":1,"username":"Most Gil","city":"Cali","votes":6}]`, a.body, "exactly these fields")
		require.Equal(t, "6", a.head.Get("X-Total-Count"))
		require.Equal(t, a.body, b.send(t, "GET", "/api/public/ranking/?limit=1", uuid.Nil, "").body)
	})
}

func TestRanking_GivesATieToWhomVotesMadeReachItFirst(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		first, second := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		of1, of2 := addVideo(t, d, first, "processed"), addVideo(t, d, second, "processed")
		voters := addUsers(t, d, 2)
		vote := func(voter, video uuid.UUID) {
			require.NoError(t, b.Vote(t.Context(), voter, video))
		}
		vote(voters[0], of2)
		vote(voters[0], of1)
		require.Equal(t, []string{"Leo Gil", "Ana Gil"}, names(b.ranked(t, "")))
		vote(voters[1], of1)
		require.Equal(t, []string{"Ana Gil", "Leo Gil"}, names(b.ranked(t, "")))
		vote(voters[1], of2)
		require.Equal(t, []string{"Ana Gil", "Leo Gil"}, names(b.ranked(t, "")), "Ana had two before")
		require.ErrorIs(t, b.Vote(t.Context(), voters[0], of2), ErrAlreadyVoted)
		require.Equal(t, []string{"Ana Gil", "Leo Gil"}, names(b.ranked(t, "")), "a refused vote moves no time")
	})
}

func TestRanking_PagesThroughTiesWithoutGapOrRepetition(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			for i := range 250 {
				id := addUserIn(t, ctx, d, fmt.Sprintf("P%03d", i), "Cali")
				setTotal(t, ctx, d, id, "Cali", 7, i/100) // ties of a hundred at the same moment
			}
			return nil
		}))
		for _, query := range []string{"limit=7&offset=%d", "limit=100&offset=%d", "city=cali&limit=33&offset=%d"} {
			var seen []string
			for {
				items := b.ranked(t, "?"+fmt.Sprintf(query, len(seen)))
				if len(items) == 0 {
					break
				}
				for _, item := range items {
					require.Equal(t, len(seen)+1, item.Position)
					require.Equal(t, fmt.Sprintf("P%03d Gil", len(seen)), item.Username)
					seen = append(seen, item.Username)
				}
			}
			require.Len(t, seen, 250, query)
		}
		require.Equal(t, b.ranked(t, "?limit=20&offset=40"), b.ranked(t, "?page=3&page_size=20"))
		require.Len(t, b.ranked(t, ""), httpserver.DefaultLimit)
	})
}

func TestRanking_FindsACityHoweverItIsTyped(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		setTotal(t, t.Context(), d, addUser(t, d, "Ana", "Bogotá"), "Bogotá", 2, 1)
		setTotal(t, t.Context(), d, addUser(t, d, "Leo", "San Andrés"), "San Andrés", 3, 1)
		for _, city := range []string{"Bogotá", norm.NFD.String("Bogotá"), "bogota", "BOGOTÁ", " Bogotá ", "bogotà\t"} {
			items := b.ranked(t, "?city="+url.QueryEscape(city))
			require.Equal(t, []rankingItem{{1, "Ana Gil", "Bogotá", 2}}, items, city)
		}
		require.Equal(t, []string{"Leo Gil"}, names(b.ranked(t, "?city=san++andres")))
		require.Len(t, b.ranked(t, "?city="), 2, "no filter")
		require.Empty(t, b.ranked(t, "?city=bogot"))
		require.Empty(t, b.ranked(t, "?city=bogot%25"))
	})
}

func TestPlayerChanged_MovesThePlayerInItsTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player := addUser(t, d, "Ana", "Cali")
		setTotal(t, t.Context(), d, player, "Cali", 2, 1)
		require.Len(t, b.ranked(t, "?city=cali"), 1)
		require.Empty(t, b.ranked(t, "?city=bogota"))

		boom := fmt.Errorf("boom")
		require.ErrorIs(t, d.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, b.PlayerChanged(ctx, player, "Bogotá"))
			return boom
		}), boom)
		require.Len(t, b.ranked(t, "?city=cali"), 1, "rolled back")

		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			return b.PlayerChanged(ctx, player, "Bogotá")
		}))
		require.Empty(t, b.ranked(t, "?city=cali"), "seen at once, whatever was cached")
		require.Len(t, b.ranked(t, "?city=bogota"), 1)
		require.NoError(t, b.PlayerChanged(t.Context(), newID(), "Cali"), "a player without votes has no total")
	})
}

func TestRanking_ShowsAVoteAtOnceAndElseRemembers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d) // the cache keeps for an hour
		player := addUser(t, d, "Ana", "Cali")
		video := addVideo(t, d, player, "processed")
		require.Empty(t, b.ranked(t, ""))
		for i, voter := range addUsers(t, d, 3) {
			require.Equal(t, http.StatusOK, b.cast(t, voter, video).status)
			require.EqualValues(t, i+1, b.ranked(t, "")[0].Votes)
		}
		sent := dbtest.Statements(t, d, func() {
			atOnce(200, func(int) answer { return b.send(t, "GET", "/api/public/rankings", uuid.Nil, "") })
		})
		require.Empty(t, sent, "F48: nothing changed, nothing is asked")
		b.Public.Expire()
		sent = dbtest.Statements(t, d, func() {
			atOnce(200, func(int) answer { return b.send(t, "GET", "/api/public/rankings", uuid.Nil, "") })
		})
		require.Len(t, sent, 2, "F48: two hundred readers at the expiry cost one read and one count")
	})
}

func TestRanking_CountsTo10000AndIsServedByIndexes(t *testing.T) {
	t.Parallel()
	d := dbtest.Postgres(t)
	b := setup(t, d)
	exec := func(sql string, args ...any) {
		require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error)
	}
	exec(`INSERT INTO users (id, email, email_key, password_hash, first_name, last_name, city, city_key, country, created_at, updated_at)
		SELECT gen_random_uuid(), 'p' || n, 'p' || n, 'x', 'P' || n, 'Gil', 'C' || n % 20, 'c' || n % 20, 'Colombia', now(), now()
		FROM generate_series(1, 10001) n`)
	exec(`INSERT INTO videos (id, user_id, title, status, city_key, search_key, original_key, original_bytes, original_sha256,
			uploaded_at, processed_at, processed_key, thumbnail_key, vote_count)
		SELECT gen_random_uuid(), id, 'Triple', 'processed', city_key, 'triple', id::text, 1, '', now(), now(), id::text, id::text, 1 FROM users LIMIT 3000`)
	exec("INSERT INTO votes (user_id, video_id, created_at) SELECT user_id, id, now() FROM videos")
	exec(`INSERT INTO player_totals (user_id, city_key, votes, reached_at)
		SELECT id, city_key, 1 + ('x' || left(md5(id::text), 4))::bit(16)::int % 50, now() FROM users`)
	exec("VACUUM ANALYZE")

	total := func(query string) string {
		return b.send(t, "GET", "/api/public/rankings"+query, uuid.Nil, "").head.Get("X-Total-Count")
	}
	require.Equal(t, "10000+", total("?limit=1"))
	exec("DELETE FROM player_totals WHERE user_id = (SELECT user_id FROM player_totals WHERE city_key = 'c1' ORDER BY user_id LIMIT 1)")
	b.Public.Expire()
	require.Equal(t, "10000", total("?limit=1"))
	require.Equal(t, "500", total("?limit=1&city=C7")[:3])

	var some struct{ UserID, ID uuid.UUID }
	require.NoError(t, d.Read(t.Context()).Raw("SELECT id, user_id FROM videos LIMIT 1").Find(&some).Error)
	voter, ctx := addUser(t, d, "Leo", "Cali"), t.Context()
	tables := []string{"votes", "videos", "users", "player_totals"}
	for name, run := range map[string]func() error{
		"top":  func() error { _, err := b.store.ranking(ctx, "", httpserver.Page{Limit: 50}); return err },
		"city": func() error { _, err := b.store.ranking(ctx, "C7", httpserver.Page{Limit: 50}); return err },
		"deep": func() error {
			_, err := b.store.ranking(ctx, "", httpserver.Page{Limit: 100, Offset: 1000})
			return err
		},
		"count city": func() error { _, err := b.store.count(ctx, "C7"); return err },
		"poll":       func() error { _, err := b.store.poll(ctx, voter, some.ID); return err },
		"vote":       func() error { return b.Vote(ctx, voter, some.ID) },
		"move":       func() error { return b.PlayerChanged(ctx, some.UserID, "C8") },
	} {
		dbtest.RequireIndexed(t, d, func() { require.NoError(t, run(), name) }, tables...)
	}
	for _, plan := range dbtest.Plans(t, d, func() { _ = total("?limit=2") }) {
		require.Contains(t, plan, "Limit", "of whatever is counted, 10,001 rows at most are read")
	}
}

// A leader board is recomputed from the votes by hand and compared.
func TestRanking_EqualsWhatTheVotesSay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		voters := addUsers(t, d, 12)
		for p := range 6 {
			player := addUser(t, d, "P"+strconv.Itoa(p), "Cali")
			for range 2 {
				video := addVideo(t, d, player, "processed")
				for i, voter := range voters {
					if (i*7+p*5)%6 < p {
						require.NoError(t, b.Vote(t.Context(), voter, video))
					}
				}
			}
		}
		var want []rankingItem
		require.NoError(t, d.Read(t.Context()).Raw(`SELECT u.first_name || ' ' || u.last_name AS username, u.city, count(*) AS votes
			FROM votes x JOIN videos v ON v.id = x.video_id JOIN users u ON u.id = v.user_id
			GROUP BY u.id, u.first_name, u.last_name, u.city ORDER BY count(*) DESC, max(x.created_at), u.id`).Find(&want).Error)
		for i := range want {
			want[i].Position = i + 1
		}
		require.Len(t, want, 5)
		require.Equal(t, want, b.ranked(t, ""))
		requireCounted(t, d)
	})
}
