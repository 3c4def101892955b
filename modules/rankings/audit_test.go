package rankings

import (
	"testing"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
)

func audited(t *testing.T, d *database.DB) (findings []string) {
	t.Helper()
	require.NoError(t, Audit(t.Context(), d, func(f audit.Finding) { findings = append(findings, f.String()) }))
	return findings
}

func TestAudit_NamesEachCounterThatIsNotItsVotes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		owner, fans := addUser(t, d, "Ana", "Cali"), addUsers(t, d, 3)
		video, other := addVideo(t, d, owner, "processed"), addVideo(t, d, owner, "processed")
		for _, f := range fans {
			require.Equal(t, 200, b.cast(t, f, video).status)
		}
		require.Equal(t, 200, b.cast(t, fans[0], other).status)
		require.Empty(t, audited(t, d))
		do := func(sql string, args ...any) { require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error) }
		ofVideo, ofPlayer := "counter of video "+video.String()+": ", "counter of player "+owner.String()+": "

		do("DELETE FROM votes WHERE video_id = ? AND user_id = ?", video, fans[1])
		require.Equal(t, []string{ofVideo + "says 3, there are 2 votes", ofPlayer + "says 4, there are 3 votes"}, audited(t, d), "a vote is gone")
		do("UPDATE videos SET vote_count = 2 WHERE id = ?", video)
		require.Equal(t, []string{ofPlayer + "says 4, there are 3 votes"}, audited(t, d))
		do("UPDATE player_totals SET votes = 3 WHERE user_id = ?", owner)
		require.Empty(t, audited(t, d))

		do("UPDATE videos SET vote_count = 1 WHERE id = ?", video)
		require.Equal(t, []string{ofVideo + "says 1, there are 2 votes"}, audited(t, d), "a step of a counter is gone")
		do("UPDATE videos SET vote_count = 2 WHERE id = ?", video)
		do("DELETE FROM player_totals WHERE user_id = ?", owner)
		require.Equal(t, []string{ofPlayer + "says 0, there are 3 votes"}, audited(t, d), "a row is gone")
		do("INSERT INTO player_totals (user_id, city_key, votes, reached_at) SELECT ?, 'cali', 3, created_at FROM users WHERE id = ?", owner, owner)
		do("INSERT INTO player_totals (user_id, city_key, votes, reached_at) SELECT ?, 'cali', 1, created_at FROM users WHERE id = ?", fans[0], fans[0])
		require.Equal(t, []string{"counter of player " + fans[0].String() + ": says 1, there are 0 votes"}, audited(t, d), "a total of nothing")
	})
}

func TestAudit_SaysWhenItCouldNotLook(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	require.NoError(t, d.Close())
	require.Error(t, Audit(t.Context(), d, func(f audit.Finding) { t.Error("found", f) }))
}
