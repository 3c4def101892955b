package monitor

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// variety adds jobs in every state, several of each.
func variety(w *world) {
	now := time.Now()
	for i := range 7 {
		at := now.Add(-time.Duration(i) * time.Minute)
		w.add(seed{state: "queued", made: at})
		w.add(seed{state: "queued", made: at, runAfter: now.Add(time.Hour)})
		w.add(seed{state: "running", made: at, worker: "w1"})
		w.add(seed{state: "running", made: at, worker: "w2", lease: -time.Second})
		w.add(seed{state: "running", made: at, worker: "w2", cancelling: true})
		w.add(seed{state: "retrying", made: at, queue: "other", runAfter: now.Add(time.Minute), reason: "storage"})
		w.add(seed{state: "done", made: at, worker: "w1"})
		w.add(seed{state: "dead", made: at, worker: "w1", reason: "timeout", fingerprint: "timeout", attempt: 3})
		w.add(seed{state: "dead", made: at, worker: "w1", reason: "truncated", discarded: true, gone: true})
		w.add(seed{state: "cancelled", made: at, title: "100% mía_"})
	}
}

func TestList_EachJobIsInExactlyOneStateAndTheCountsAreThoseOfTheLists(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		variety(w)
		now := time.Now()
		counts, err := w.m.store.counts(t.Context(), filter{})
		require.NoError(t, err)
		seen := map[uuid.UUID]State{}
		for _, x := range States() {
			jobs, _, _, err := w.m.store.list(t.Context(), w.query("state:%s", x), page{limit: 200}, now)
			require.NoError(t, err)
			require.Len(t, jobs, 7, x)
			require.Equal(t, int64(7), counts[x], x)
			for _, j := range jobs {
				require.Equal(t, x, j.State)
				require.NotContains(t, seen, j.ID)
				seen[j.ID] = x
			}
		}
		all, _, _, err := w.m.store.list(t.Context(), filter{}, page{limit: 200}, now)
		require.NoError(t, err)
		require.Len(t, all, len(seen))
	})
}

func TestList_FindsWhatTheSearchSays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		variety(w)
		op := uuid.New()
		id := w.add(seed{state: "done", made: time.Now().Add(-48 * time.Hour), title: "Triple de Zoë"})
		w.exec("UPDATE jobs SET operation_id = ? WHERE id = ?", op, id)
		video := w.text("SELECT video_id FROM jobs WHERE id = ?", id)
		for search, want := range map[string]int64{
			"":                                71,
			"queue:other":                     7,
			"queue:other state:retrying":      7,
			"queue:nothing":                   0,
			"-queue:other state:retrying":     0,
			"worker:w1":                       28,
			"worker:w1,w2 state:running":      7,
			"-worker:w1 state:stuck":          7,
			"error:timeout":                   7,
			"error:timeout,storage":           14,
			"-error:timeout state:dead":       0,
			"state:dead,discarded":            14,
			"-state:done,dead":                56,
			"state:muerto":                    7,
			"kind:process state:done":         8,
			"-kind:process":                   0,
			"kind:other":                      0,
			"user:ana@example.com":            64,
			"user:ANA@example.com state:dead": 7,
			"user:" + w.user.String():         64,
			"-user:" + w.user.String():        7,
			"user:nobody@example.com":         0,
			"user:gil state:done":             8,
			"video:triple":                    1,
			"video:" + video:                  1,
			"triple":                          1,
			"TRIPLE zoë":                      1,
			"100%":                            7,
			"mía_":                            7,
			"%":                               7,
			"_":                               7,
			"age>1d":                          1,
			"age<1d":                          70,
			"age>1d state:dead":               0,
			"attempt>=3":                      7,
			"attempt:0":                       14,
			"wait>30s state:waiting":          6,
			"op:" + op.String():               1,
			"-op:" + op.String() + " age>1d":  0,
			id.String():                       1,
			uuid.NewString():                  0,
		} {
			f := w.query("%s", search)
			n, err := w.m.store.total(t.Context(), f)
			require.NoError(t, err, search)
			require.Equal(t, want, n, search)
			jobs, _, _, err := w.m.store.list(t.Context(), f, page{limit: 200}, time.Now())
			require.NoError(t, err, search)
			require.Len(t, jobs, int(want), search)
			exact, err := w.m.store.exact(t.Context(), f)
			require.NoError(t, err, search)
			require.Equal(t, want, exact, search)
		}
	})
}

func TestList_PagesForthAndBackGiveEachJobOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		variety(w)
		for _, search := range []string{"", "state:waiting,dead,done", "queue:video_queue", "worker:w1", "user:ana@example.com"} {
			f := w.query("%s", search)
			whole, _, _, err := w.m.store.list(t.Context(), f, page{limit: 200}, time.Now())
			require.NoError(t, err)
			require.True(t, slices.IsSortedFunc(whole, func(a, b Job) int { return slices.Compare(b.ID[:], a.ID[:]) }))
			var forth []uuid.UUID
			p := page{limit: 4}
			for {
				jobs, newer, older, err := w.m.store.list(t.Context(), f, p, time.Now())
				require.NoError(t, err)
				require.Equal(t, p.after != nil, newer)
				for _, j := range jobs {
					forth = append(forth, j.ID)
				}
				if !older {
					break
				}
				p.after = &jobs[len(jobs)-1].ID
			}
			require.Len(t, forth, len(whole), search)
			back := []uuid.UUID{forth[len(forth)-1]}
			p = page{limit: 4}
			for more := true; more; {
				p.before = &back[0]
				jobs, newer, _, err := w.m.store.list(t.Context(), f, p, time.Now())
				require.NoError(t, err)
				var ids []uuid.UUID
				for _, j := range jobs {
					ids = append(ids, j.ID)
				}
				back, more = append(ids, back...), newer
			}
			require.Equal(t, forth, back, search)
			for i, j := range whole {
				require.Equal(t, forth[i], j.ID)
			}
		}
	})
}

func TestList_NoStatementReadsAWholeTable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		fill(w, 60_000)
		var op uuid.UUID
		for _, search := range []string{
			"", "state:waiting", "state:running", "state:dead", "state:done", "state:dead,waiting,done", "-state:done", "queue:video_queue", "queue:rare",
			"queue:rare state:dead", "worker:host-1-7", "worker:host-1-7 state:dead", "error:timeout", "state:dead error:timeout", "user:p17@example.com",
			"user:" + w.user.String(), "video:" + w.user.String(), "age>10m", "age<10m state:waiting", "op:" + op.String(), op.String(),
		} {
			f := w.query("%s", search)
			tables := []string{"jobs", "j", "videos", "v", "users", "u", "job_attempts", "a"}
			dbtest.RequireIndexed(t, d, func() {
				_, _, _, err := w.m.store.list(t.Context(), f, page{limit: perPage}, time.Now())
				require.NoError(t, err)
			}, tables...)
			dbtest.RequireIndexed(t, d, func() {
				_, err := w.m.store.counts(t.Context(), f)
				require.NoError(t, err)
			}, tables...)
		}
	})
}
