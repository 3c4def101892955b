package rankings

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// F44: the edges are the database's clock's.
func TestVote_OnlyWithinTheWindow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		player, voter := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		video := addVideo(t, d, player, "processed")
		now, err := store{d}.now(d.Read(t.Context()))
		require.NoError(t, err)
		at := func(by time.Duration) string {
			return now.Add(by).In(time.FixedZone("", -5*3600)).Format(time.RFC3339Nano)
		}
		window := func(opens, closes string) bundle {
			return setup(t, d, func(c *Config) { c.OpensAt, c.ClosesAt = opens, closes })
		}
		for name, b := range map[string]bundle{
			"not yet":         window(at(time.Hour), ""),
			"not yet at all":  window(at(time.Hour), at(2*time.Hour)),
			"over":            window("", at(0)),
			"over since long": window(at(-2*time.Hour), at(-time.Hour)),
		} {
			a := b.cast(t, voter, video)
			require.Equal(t, http.StatusBadRequest, a.status, name)
			require.Equal(t, "VOTING_CLOSED", a.code(t), name)
			require.Equal(t, status{false, false, 0}, b.status(t, voter, video), name)
			require.Equal(t, http.StatusNotFound, b.cast(t, voter, newID()).status, name)
			open, _, _, err := b.Voting(t.Context())
			require.NoError(t, err)
			require.False(t, open, name)
		}
		require.Zero(t, countVotes(t, d))
		for name, b := range map[string]bundle{
			"just opened":   window(at(0), ""),
			"for ever":      window("", at(time.Hour)),
			"in the middle": window(at(-time.Hour), at(time.Hour)),
		} {
			open, _, _, err := b.Voting(t.Context())
			require.NoError(t, err)
			require.True(t, open, name)
			fan := addUser(t, d, "Eva", "Cali")
			require.True(t, b.status(t, fan, video).can, name)
			require.Equal(t, http.StatusOK, b.cast(t, fan, video).status, name)
		}
		require.EqualValues(t, 3, countVotes(t, d))
		requireCounted(t, d)
	})
}

func TestWindow_OpensInclusiveClosesExclusive(t *testing.T) {
	t.Parallel()
	w, err := Config{OpensAt: "2026-11-01T00:00:00-05:00", ClosesAt: "2026-11-30T18:00:00-05:00"}.Window()
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC), w.Opens)
	require.False(t, w.contains(w.Opens.Add(-time.Microsecond)))
	require.True(t, w.contains(w.Opens))
	require.True(t, w.contains(w.Closes.Add(-time.Microsecond)))
	require.False(t, w.contains(w.Closes))
}

func TestConfig_ValidateNamesTheKey(t *testing.T) {
	t.Parallel()
	err := Config{OpensAt: "mañana", ClosesAt: "2026-11-30"}.Validate()
	require.ErrorContains(t, err, "voting.opens_at")
	require.ErrorContains(t, err, "voting.closes_at")
	require.ErrorContains(t, Config{OpensAt: "2026-11-30T18:00:00Z", ClosesAt: "2026-11-30T13:00:00-05:00"}.Validate(), "must be after")
	_, err = New(Deps{})
	require.Error(t, err)
}
