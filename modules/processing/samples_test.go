package processing

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// noon is when the jobs of these tests arrive.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// attempt is one of a job's, in seconds after noon; end 0: it runs.
type attempt struct {
	start, end int
	outcome    outcome
}

func after(seconds int) database.Time {
	return database.At(noon.Add(time.Duration(seconds) * time.Second))
}

// put adds a job as if it had been made so many seconds after noon; it is
// finished at the given one unless that is 0.
func (b *bench) put(t *testing.T, queue string, state State, arrived, finished int, attempts ...attempt) uuid.UUID {
	t.Helper()
	id := uuid.New()
	do := func(sql string, args ...any) { require.NoError(t, b.DB.Write(t.Context()).Exec(sql, args...).Error) }
	do(`INSERT INTO jobs (id, video_id, queue, state, max_attempts, run_after, created_at) VALUES (?, ?, ?, 'queued', 3, ?, ?)`,
		id, uuid.New(), queue, after(0), after(arrived))
	if state == Running {
		do("UPDATE jobs SET lease_until = ?, state = 'running' WHERE id = ?", after(9999), id)
	}
	do("UPDATE jobs SET state = ? WHERE id = ?", state, id)
	if finished != 0 {
		do("UPDATE jobs SET finished_at = ? WHERE id = ?", after(finished), id)
	}
	for i, a := range attempts {
		do("INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at) VALUES (?, ?, ?, 'w', ?)", id, i+1, i+1, after(a.start))
		if a.end != 0 {
			do("UPDATE job_attempts SET finished_at = ?, outcome = ? WHERE job_id = ? AND fence = ?", after(a.end), a.outcome, id, i+1)
		}
	}
	return id
}

// sampleRow is a row of queue_samples; -1: null.
type sampleRow struct {
	Width                                                      string
	At                                                         string
	Arrived, Started, Done, Failed, Waiting, Running, OldestMS int64
	WaitP50MS, WaitP95MS, RunP50MS, RunP95MS                   int64
}

func (b *bench) samples(t *testing.T, queue string) (rows []sampleRow) {
	t.Helper()
	var stored []struct {
		Width                                                    string
		At                                                       database.Time
		Arrived, Started, Done, Failed, Waiting, Running, Oldest int64
		WaitP50, WaitP95, RunP50, RunP95                         int64
	}
	require.NoError(t, b.DB.Read(t.Context()).Raw(`SELECT width, at, arrived, started, done, failed, waiting, running, oldest_ms AS oldest,
		coalesce(wait_p50_ms, -1) AS wait_p50, coalesce(wait_p95_ms, -1) AS wait_p95,
		coalesce(run_p50_ms, -1) AS run_p50, coalesce(run_p95_ms, -1) AS run_p95
		FROM queue_samples WHERE queue = ? ORDER BY width, at`, queue).Scan(&stored).Error)
	for _, s := range stored {
		rows = append(rows, sampleRow{
			s.Width, s.At.Format("02 15:04"), s.Arrived, s.Started, s.Done, s.Failed, s.Waiting, s.Running, s.Oldest,
			s.WaitP50, s.WaitP95, s.RunP50, s.RunP95,
		})
	}
	return rows
}

func TestSampleQueues_TellsHowAQueueFared(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		b.put(t, "q", Done, 10, 20, attempt{12, 20, outcomeDone})
		b.put(t, "q", Done, 11, 51, attempt{21, 51, outcomeDone})
		b.put(t, "q", Done, 30, 100, attempt{40, 45, outcomeFailed}, attempt{90, 100, outcomeDone})
		b.put(t, "q", Queued, 50, 0)
		crashing := b.put(t, "q", Running, 55, 0, attempt{start: 56})
		b.put(t, "q", Cancelled, -60, 30)
		b.put(t, "other", Queued, 70, 0) // nobody works on it

		require.NoError(t, b.sampleAt(t.Context(), noon.Add(130*time.Second)))
		want := []sampleRow{
			{"day", "10 00:00", 6, 4, 3, 1, 1, 1, 80_000, 2000, 10_000, 10_000, 30_000},
			{"hour", "10 11:00", 1, 0, 0, 0, 1, 0, 60_000, -1, -1, -1, -1},
			{"hour", "10 12:00", 5, 4, 3, 1, 1, 1, 80_000, 2000, 10_000, 10_000, 30_000},
			{"minute", "10 11:59", 1, 0, 0, 0, 1, 0, 60_000, -1, -1, -1, -1},
			{"minute", "10 12:00", 5, 4, 2, 1, 2, 1, 15_000, 2000, 10_000, 8000, 30_000},
			{"minute", "10 12:01", 0, 0, 1, 0, 1, 1, 70_000, -1, -1, 10_000, 10_000},
		}
		require.Equal(t, want, b.samples(t, "q"))
		require.Equal(t, []sampleRow{
			{"day", "10 00:00", 1, 0, 0, 0, 1, 0, 60_000, -1, -1, -1, -1},
			{"hour", "10 12:00", 1, 0, 0, 0, 1, 0, 60_000, -1, -1, -1, -1},
			{"minute", "10 12:00", 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1},
			{"minute", "10 12:01", 1, 0, 0, 0, 1, 0, 50_000, -1, -1, -1, -1},
		}, b.samples(t, "other"))

		var wg sync.WaitGroup
		for range 3 { // so many workers
			wg.Go(func() {
				for _, x := range tiers() {
					require.NoError(t, b.sampleTier(t.Context(), "q", x, noon.Add(130*time.Second)))
				}
			})
		}
		wg.Wait()
		require.Equal(t, want, b.samples(t, "q"), "again changes nothing")

		require.NoError(t, d.Write(t.Context()).Exec("UPDATE job_attempts SET finished_at = ?, outcome = 'lost' WHERE job_id = ?", after(150), crashing).Error)
		b.set(t, crashing, "state = 'retrying', lease_until = NULL")
		require.NoError(t, b.sampleAt(t.Context(), noon.Add(time.Hour)))
		rows := b.samples(t, "q")
		require.Contains(t, rows, sampleRow{"minute", "10 12:02", 0, 0, 0, 1, 2, 0, 130_000, -1, -1, -1, -1})
		require.Contains(t, rows, sampleRow{"minute", "10 12:59", 0, 0, 0, 0, 2, 0, 3_550_000, -1, -1, -1, -1})
		require.Contains(t, rows, sampleRow{"hour", "10 12:00", 5, 4, 3, 2, 2, 0, 3_550_000, 2000, 10_000, 10_000, 30_000})
		require.Len(t, rows, len(want)+58, "what nobody sampled is made up for")
	})
}

func TestSampleQueues_OneWorkerDoesItAndLaterLooksAgain(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		arrived := func() (n int64) {
			for _, r := range b.samples(t, "q") {
				if r.Width == "minute" && r.At == "10 12:01" {
					n += r.Arrived
				}
			}
			return n
		}
		b.put(t, "q", Queued, 70, 0)
		require.NoError(t, b.sampleAt(t.Context(), noon.Add(121*time.Second)))
		require.EqualValues(t, 1, arrived())
		b.put(t, "q", Queued, 119, 0) // in a transaction that was slow
		require.NoError(t, b.sampleAt(t.Context(), noon.Add(179*time.Second)))
		require.EqualValues(t, 1, arrived(), "this minute's work was done already")
		require.NoError(t, b.sampleAt(t.Context(), noon.Add(181*time.Second)))
		require.EqualValues(t, 2, arrived())
	})
}

func TestSampleQueues_BeginsWithAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		require.NoError(t, b.SampleQueues(t.Context()))
		rows := b.samples(t, "q")
		require.NotEmpty(t, rows)
		for _, r := range rows {
			require.Equal(t, sampleRow{Width: r.Width, At: r.At, WaitP50MS: -1, WaitP95MS: -1, RunP50MS: -1, RunP95MS: -1}, r)
		}
	})
}

func TestTier_BeginsWhereTheLastSampleWas(t *testing.T) {
	t.Parallel()
	now := noon.Add(90 * time.Second)
	minute, hour, day := tiers()[0], tiers()[1], tiers()[2]
	tests := map[string]struct {
		tier tier
		last time.Time
		want time.Time
	}{
		"nothing is there":            {minute, time.Time{}, noon.Add(-time.Minute)},
		"a minute ago":                {minute, noon, noon.Add(-time.Minute)},
		"after a pause":               {minute, noon.Add(-time.Hour), noon.Add(-time.Hour)},
		"after too long a pause":      {minute, noon.Add(-24 * time.Hour), noon.Add(-119 * time.Minute)},
		"an hour that just ended":     {hour, noon, noon.Add(-time.Hour)},
		"after the clock was wrong":   {hour, noon.Add(24 * time.Hour), noon.Add(-time.Hour)},
		"days, no longer than kept":   {day, time.Unix(0, 0), noon.Add(-90*24*time.Hour - 12*time.Hour)},
		"a day that is not over":      {day, noon.Add(-12 * time.Hour), noon.Add(-12 * time.Hour)},
		"a day that nobody looked at": {day, noon.Add(-36 * time.Hour), noon.Add(-36 * time.Hour)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.tier.begin(now, tt.last))
		})
	}
}

func TestForgetSamples_KeepsMinutesAWeekAndTheRest90Days(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		for _, days := range []int{1, 9, 80, 92} {
			for _, x := range tiers() {
				require.NoError(t, b.store.saveSample(t.Context(), "q", x.width, time.Now().AddDate(0, 0, -days), sample{Arrived: int64(days)}))
			}
		}
		require.NoError(t, b.ForgetSamples(t.Context()))
		left := map[string][]int64{}
		for _, r := range b.samples(t, "q") {
			left[r.Width] = append(left[r.Width], r.Arrived)
		}
		require.Equal(t, map[string][]int64{"minute": {1}, "hour": {80, 9, 1}, "day": {80, 9, 1}}, left)
	})
}

func TestSample_ReadsNoWholeTable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		b := newBench(t, d, nil)
		const jobs = 3000
		require.NoError(t, d.InTx(t.Context(), func(ctx context.Context) error {
			for n := range jobs {
				at := -n * 60
				id := uuid.New()
				if err := d.Write(ctx).Exec(`INSERT INTO jobs (id, video_id, queue, state, max_attempts, run_after, created_at, finished_at)
					VALUES (?, ?, 'q', 'done', 3, ?, ?, ?)`, id, uuid.New(), after(at), after(at), after(at+20)).Error; err != nil {
					return err
				}
				if err := d.Write(ctx).Exec(`INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, finished_at, outcome)
					VALUES (?, 1, 1, 'w', ?, ?, 'done')`, id, after(at+5), after(at+20)).Error; err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, d.Write(t.Context()).Exec("ANALYZE").Error)
		dbtest.RequireIndexed(t, d, func() {
			_, err := b.store.sample(t.Context(), "q", noon.Add(-time.Minute), noon)
			require.NoError(t, err)
			_, err = b.store.firstArrival(t.Context(), "q")
			require.NoError(t, err)
			_, err = b.store.crowded(t.Context())
			require.NoError(t, err)
		}, "jobs", "job_attempts", "j", "a")
	})
}
