package rankings

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

func TestVote_OfWhatIsNotPublishedIs404AndLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		deleted := addVideo(t, d, player, "processed")
		require.NoError(t, d.Write(t.Context()).Exec("DELETE FROM videos WHERE id = ?", deleted).Error)
		ids := map[string]string{
			"unknown":       newID().String(),
			"nil":           uuid.Nil.String(),
			"deleted":       deleted.String(),
			"uploaded":      addVideo(t, d, player, "uploaded").String(),
			"processing":    addVideo(t, d, player, "processing").String(),
			"failed":        addVideo(t, d, player, "failed").String(),
			"word":          "abc",
			"number":        "-1",
			"huge number":   "9223372036854775808",
			"in braces":     "%7B" + deleted.String() + "%7D",
			"as urn":        "urn:uuid:" + deleted.String(),
			"without lines": strings.ReplaceAll(deleted.String(), "-", ""),
			"NUL":           "%00",
			"SQL":           "1;drop%20table%20votes",
			"10 KB":         strings.Repeat("a", 10<<10),
		}
		for name, id := range ids {
			for _, call := range [][2]string{{"POST", "/vote"}, {"GET", "/vote-status"}} {
				a := b.send(t, call[0], "/api/public/videos/"+id+call[1], voter, "")
				require.Equal(t, http.StatusNotFound, a.status, name)
				require.Equal(t, "VIDEO_NOT_FOUND", a.code(t), name)
				require.Contains(t, a.body, "Video no encontrado.", name)
			}
		}
		require.Zero(t, countVotes(t, d))
		requireCounted(t, d)
	})
}

func TestVote_NeedsAnAccountAndPOST(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	b := setup(t, d)
	player := addUser(t, d, "Ana", "Cali")
	video := addVideo(t, d, player, "processed")
	require.Equal(t, http.StatusUnauthorized, b.cast(t, uuid.Nil, video).status)
	a := b.send(t, "GET", "/api/public/videos/"+video.String()+"/vote", player, "")
	require.Equal(t, http.StatusMethodNotAllowed, a.status)
	require.Contains(t, a.head.Get("Allow"), "POST")
	require.Zero(t, countVotes(t, d))
}

func TestVote_CountsOnceWhateverTheBodySays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		video, second := addVideo(t, d, player, "processed"), addVideo(t, d, player, "processed")
		path := "/api/public/videos/" + strings.ToUpper(video.String()) + "/vote?times=50"
		a := b.send(t, "POST", path, voter, `{"user_id":"`+player.String()+`","weight":100}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.JSONEq(t, `{"message":"Voto registrado exitosamente."}`, a.body)

		a = b.cast(t, voter, video)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, "ALREADY_VOTED", a.code(t))
		require.Contains(t, a.body, "Ya has votado por este video.")

		require.Equal(t, http.StatusOK, b.cast(t, voter, second).status, "several videos are allowed")
		require.EqualValues(t, 2, b.ranked(t, "")[0].Votes)
		require.EqualValues(t, 2, countVotes(t, d))
		requireCounted(t, d)
	})
}

// F38: one account, fifty connections.
func TestVote_OfOneAccountFiftyTimesAtOnceCountsOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		for range 3 {
			video := addVideo(t, d, player, "processed")
			answers := atOnce(50, func(int) answer { return b.cast(t, voter, video) })
			won := 0
			for _, a := range answers {
				if a.status == http.StatusOK {
					won++
					continue
				}
				require.Equal(t, http.StatusBadRequest, a.status, a.body)
				require.Equal(t, "ALREADY_VOTED", a.code(t))
			}
			require.Equal(t, 1, won)
		}
		require.EqualValues(t, 3, countVotes(t, d))
		requireCounted(t, d)
	})
}

// F38, through two processes: each has its own pool and cache.
func TestVote_OfOneAccountThroughTwoServersCountsOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.PostgresURL(t, true)
	d, other := dbtest.Open(t, url, false), dbtest.Open(t, url, false)
	servers := []bundle{setup(t, d), setup(t, other)}
	player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
	video := addVideo(t, d, player, "processed")
	won := 0
	for _, a := range atOnce(50, func(i int) answer { return servers[i%2].cast(t, voter, video) }) {
		if a.status == http.StatusOK {
			won++
		}
	}
	require.Equal(t, 1, won)
	requireCounted(t, d)
}

func TestVote_WhileTheDatabaseIsStuckIs503AndNeverCountsTwice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		video := addVideo(t, d, player, "processed")
		b := setup(t, impatient(t, d))
		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, d.Write(ctx).Exec("UPDATE videos SET title = title WHERE id = ?", video).Error) // holds the row
			a := b.cast(t, voter, video)
			require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
			require.NotEmpty(t, a.head.Get("Retry-After"))
			return nil
		}))
		// The statement may have got the row before it was cancelled: who is told
		// to come back may find the vote there, but never counts twice.
		a := setup(t, d).cast(t, voter, video)
		require.True(t, a.status == http.StatusOK || a.code(t) == "ALREADY_VOTED", a.body)
		require.EqualValues(t, 1, countVotes(t, d))
		requireCounted(t, d)
	})
}

// impatient opens d's database with a short query timeout.
func impatient(t *testing.T, d *database.DB) *database.DB {
	t.Helper()
	query := "SELECT file AS at FROM pragma_database_list WHERE name = 'main'"
	if d.Dialect() == database.Postgres {
		query = "SELECT 'postgres:///' || current_database() || '?user=postgres&host=' || split_part(current_setting('unix_socket_directories'), ',', 1) AS at"
	}
	var url string
	require.NoError(t, d.Read(t.Context()).Raw(query).Find(&url).Error)
	if d.Dialect() == database.SQLite {
		url = "sqlite:" + url
	}
	i, err := database.Open(database.Config{URL: url, MaxOpen: 2, QueryTimeout: 300 * time.Millisecond}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, i.Close()) })
	return i
}

func TestVote_OfManyAccountsForOnePlayerAtOnceLosesNone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player := addUser(t, d, "Ana", "Cali")
		videos := []uuid.UUID{addVideo(t, d, player, "processed"), addVideo(t, d, player, "processed")}
		voters := addUsers(t, d, 50)
		answers := atOnce(len(voters)*len(videos), func(i int) answer {
			return b.cast(t, voters[i/len(videos)], videos[(i+i/len(videos))%len(videos)])
		})
		for _, a := range answers {
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
		require.EqualValues(t, len(answers), b.ranked(t, "")[0].Votes)
		requireCounted(t, d)
	})
}

func TestVote_WithTheProfileChangingAtOnceDoesNotDeadlock(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		player := addUser(t, d, "Ana", "Cali")
		video := addVideo(t, d, player, "processed")
		voters := addUsers(t, d, 20)
		atOnce(2*len(voters), func(i int) answer {
			if i%2 == 0 {
				require.NoError(t, b.PlayerChanged(t.Context(), player, "Bogotá"))
				return answer{}
			}
			return b.cast(t, voters[i/2], video)
		})
		require.EqualValues(t, len(voters), countVotes(t, d))
		requireCounted(t, d)
	})
}

// atOnce calls f n times in parallel, all let go together.
func atOnce(n int, f func(i int) answer) []answer {
	out, begin := make([]answer, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-begin
			out[i] = f(i)
		})
	}
	close(begin)
	wg.Wait()
	return out
}

func TestVote_ForAnOwnVideoIsASetting(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		player := addUser(t, d, "Ana", "Cali")
		video := addVideo(t, d, player, "processed")

		b := setup(t, d, func(c *Config) { c.OwnVideo = false })
		require.Equal(t, status{false, false, 0}, b.status(t, player, video))
		a := b.cast(t, player, video)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Equal(t, "OWN_VIDEO", a.code(t))
		require.Zero(t, countVotes(t, d))
		require.Equal(t, http.StatusOK, b.cast(t, addUser(t, d, "Leo", "Cali"), video).status)

		b = setup(t, d)
		require.Equal(t, status{false, true, 1}, b.status(t, player, video))
		require.Equal(t, http.StatusOK, b.cast(t, player, video).status)
		require.Equal(t, status{true, false, 2}, b.status(t, player, video))
		requireCounted(t, d)
	})
}

type status struct {
	voted, can bool
	votes      int64
}

func (b bundle) status(t *testing.T, user, video uuid.UUID) status {
	t.Helper()
	a := b.send(t, "GET", "/api/public/videos/"+video.String()+"/vote-status", user, "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.head.Get("Cache-Control"), "no-store", "another account's answer differs")
	var s statusResponse
	a.into(t, &s)
	require.Equal(t, video, s.VideoID)
	return status{s.Voted, s.CanVote, s.Votes}
}
