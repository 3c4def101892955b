package rankings

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/audit"
	"anb/platform/database"
)

func repaired(t *testing.T, d *database.DB) (done []string) {
	t.Helper()
	require.NoError(t, Repair(t.Context(), d, func(f audit.Finding) { done = append(done, f.String()) }))
	return done
}

func TestRepair_SetsEachCounterToItsVotes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		owner, rival, fans := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Luz", "Cali"), addUsers(t, d, 4)
		video, other, theirs := addVideo(t, d, owner, "processed"), addVideo(t, d, owner, "processed"), addVideo(t, d, rival, "processed")
		for _, v := range []uuid.UUID{video, other} {
			require.Equal(t, 200, b.cast(t, fans[0], v).status)
		}
		for _, f := range fans[:3] {
			require.Equal(t, 200, b.cast(t, f, theirs).status)
		}
		require.Equal(t, 200, b.cast(t, fans[1], video).status)
		require.Empty(t, repaired(t, d), "nothing is wrong")
		want := b.ranked(t, "")
		do := func(sql string, args ...any) { require.NoError(t, d.Write(t.Context()).Exec(sql, args...).Error) }
		const now = "and says "
		for name, tt := range map[string]struct {
			spoil func()
			done  []string
		}{
			"too high":   {func() { do("UPDATE videos SET vote_count = 9 WHERE id = ?", video) }, []string{"counter of video " + video.String() + ": said 9, " + now + "2"}},
			"too low":    {func() { do("UPDATE player_totals SET votes = 1 WHERE user_id = ?", owner) }, []string{"counter of player " + owner.String() + ": said 1, " + now + "3"}},
			"a row gone": {func() { do("DELETE FROM player_totals WHERE user_id = ?", owner) }, []string{"counter of player " + owner.String() + ": said 0, " + now + "3"}},
			"of nothing": {
				func() {
					do("INSERT INTO player_totals (user_id, city_key, votes, reached_at) SELECT id, 'cali', 5, created_at FROM users WHERE id = ?", fans[3])
				},
				[]string{"counter of player " + fans[3].String() + ": said 5, " + now + "0"},
			},
			"all at once": {
				func() { do("UPDATE videos SET vote_count = 0"); do("UPDATE player_totals SET votes = 0") },
				[]string{"counter of video", "counter of video", "counter of video", "counter of player", "counter of player"},
			},
		} {
			tt.spoil()
			done := repaired(t, d)
			require.Len(t, done, len(tt.done), name)
			for i, prefix := range tt.done {
				require.True(t, strings.HasPrefix(done[i], prefix), "%s: %s", name, done[i])
			}
			requireCounted(t, d)
			require.Empty(t, audited(t, d), name)
			require.Empty(t, repaired(t, d), name)
			b = setup(t, d) // without a cache
			require.Equal(t, want, b.ranked(t, ""), "%s: who was first to have three stays first", name)
		}
	})
}

func TestRepair_LooksAgainBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		owner, fan := addUser(t, d, "Ana", "Cali"), addUser(t, d, "Leo", "Cali")
		video := addVideo(t, d, owner, "processed")
		require.Equal(t, 200, b.cast(t, fan, video).status)
		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			for _, mend := range []func() (int64, int64, error){
				func() (int64, int64, error) { return recountVideo(ctx, d, video) },
				func() (int64, int64, error) { return recountPlayer(ctx, d, owner) },
			} {
				was, is, err := mend()
				require.NoError(t, err)
				require.EqualValues(t, 1, was)
				require.EqualValues(t, 1, is)
			}
			was, is, err := recountVideo(ctx, d, uuid.New())
			require.NoError(t, err, "deleted meanwhile")
			require.Equal(t, was, is)
			return nil
		}))
	})
}

func TestRepair_LosesNoVoteThatIsCastMeanwhile(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := setup(t, d)
		owner, fans := addUser(t, d, "Ana", "Cali"), addUsers(t, d, 60)
		videos := []uuid.UUID{addVideo(t, d, owner, "processed"), addVideo(t, d, owner, "processed")}
		var wg sync.WaitGroup
		for n, part := range [][]uuid.UUID{fans[:30], fans[30:]} {
			wg.Go(func() {
				for i, f := range part {
					if a := b.cast(t, f, videos[(i+n)%2]); a.status != 200 {
						t.Error(a.status, a.body)
					}
				}
			})
		}
		voted := make(chan struct{})
		go func() { wg.Wait(); close(voted) }()
		for busy := true; busy; {
			select {
			case <-voted:
				busy = false
			default:
			}
			for _, sql := range []string{"UPDATE videos SET vote_count = vote_count + 1", "UPDATE player_totals SET votes = votes + 1"} {
				require.NoError(t, d.Write(t.Context()).Exec(sql).Error)
			}
			repaired(t, d)
		}
		requireCounted(t, d)
		require.EqualValues(t, 60, countVotes(t, d))
	})
}

func TestRepair_SaysWhenItCouldNot(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	require.NoError(t, d.Close())
	require.Error(t, Repair(t.Context(), d, func(f audit.Finding) { t.Error("repaired", f) }))
}
