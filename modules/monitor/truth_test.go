package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/processing"
	"anb/modules/videos"
	"anb/platform/cache"
	"anb/platform/database"
	"anb/platform/metrics"
	"anb/platform/storage"
)

// sampler is a worker that only samples.
func (w *world) sampler(encode encoderFunc) *processing.Worker {
	w.t.Helper()
	open := func() storage.Store {
		s, err := storage.Open(w.t.Context(), storage.Config{URL: w.t.TempDir()})
		require.NoError(w.t, err)
		w.t.Cleanup(func() { require.NoError(w.t, s.Close()) })
		return s
	}
	c := processing.Config{
		Queue: testQueue, MaxAttempts: 3, Lease: 30 * time.Second, Heartbeat: 200 * time.Millisecond, Timeout: time.Minute, RetryBase: time.Second, RetryCap: time.Minute,
		SweepInterval: time.Second, Grace: time.Minute, WorkDir: w.t.TempDir(), CacheDir: w.t.TempDir(),
	}
	originals := open()
	clip := filepath.Join(w.t.TempDir(), "clip")
	require.NoError(w.t, os.WriteFile(clip, []byte("a clip"), 0o600))
	require.NoError(w.t, storage.PutFile(w.t.Context(), originals, clip, "original.mp4", "video/mp4"))
	worker, err := processing.NewWorker(processing.WorkerDeps{
		ID: "w1", Version: "1.2.3", DB: w.db, Bus: w.bus, Videos: videos.NewCatalog(w.db, cache.New(time.Second, 1, time.Now), time.Now),
		Originals: originals, Processed: open(), Inspector: anything{}, Encoder: encode, Queues: []string{testQueue}, Slots: 3,
		Log: slog.New(slog.DiscardHandler), Metrics: metrics.New("test"), Config: c,
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, worker.Close()) })
	return worker
}

type anything struct{}

func (anything) Inspect(context.Context, string) (processing.Source, error) {
	return processing.Source{Duration: 30 * time.Second, Width: 1920, Height: 1080, Codec: "h264"}, nil
}

type encoderFunc func(ctx context.Context, j processing.Job, report processing.Report) (processing.Output, error)

func (f encoderFunc) Encode(ctx context.Context, j processing.Job, report processing.Report) (processing.Output, error) {
	return f(ctx, j, report)
}

// encoded makes files in the place of those of an encoder.
func encoded(j processing.Job) (processing.Output, error) {
	out := processing.Output{
		Video: processing.File{Path: filepath.Join(j.Dir, "v"), Size: 5, SHA256: "x"}, Poster: processing.File{Path: filepath.Join(j.Dir, "p"), Size: 6, SHA256: "x"},
		Duration: 35 * time.Second, Codec: "libx264",
	}
	return out, errors.Join(os.WriteFile(out.Video.Path, []byte("video"), 0o600), os.WriteFile(out.Poster.Path, []byte("poster"), 0o600))
}

var numberCell = regexp.MustCompile(`<td[^>]*data-at="([^"]+)"[^>]*data-series="([^"]+)"(?:[^>]*data-value="([^"]*)")?`)

// charted reads all numbers of the charts of a page: "series at" to value.
func (w *world) charted(span string) map[string]string {
	w.t.Helper()
	page := w.get("vera", "/?range="+span, "Cookie", prefsCookie+"=lang-en")
	require.Equal(w.t, 200, page.Code)
	out := map[string]string{}
	// p50 and p95 are drawn in two charts: the chart's place tells them apart.
	for i, figure := range strings.Split(page.Body.String(), `class="chart"`)[1:] {
		for _, m := range numberCell.FindAllStringSubmatch(figure, -1) {
			out[strconv.Itoa(i)+" "+m[2]+" "+m[1]] = m[3]
		}
	}
	return out
}

// counted computes the same with SQL from jobs and attempts alone.
func (w *world) counted(from, to time.Time) map[string]string {
	at := from.UTC().Format(time.RFC3339)
	between := func(column string) string { return column + " >= ? AND " + column + " < ?" }
	number := func(sql string) string { return w.text(sql, database.At(from), database.At(to)) }
	return map[string]string{
		"0 in " + at:     number("SELECT count(*) FROM jobs WHERE " + between("created_at")),
		"0 out " + at:    number("SELECT count(*) FROM job_attempts WHERE outcome = 'done' AND " + between("finished_at")),
		"0 failed " + at: number("SELECT count(*) FROM job_attempts WHERE outcome IN ('failed', 'lost') AND " + between("finished_at")),
	}
}

// compareDurations compares the charts of durations with the samples, and
// returns how many there were. That samples are true is a test of processing.
func (w *world) compareDurations(shown map[string]string, x Range) (compared int) {
	w.t.Helper()
	var rows []sampleRow
	require.NoError(w.t, w.db.Read(w.t.Context()).Raw("SELECT * FROM queue_samples WHERE width = ?", x.Width).Scan(&rows).Error)
	for _, r := range rows {
		at := r.At.Format(time.RFC3339)
		if _, ok := shown["0 in "+at]; !ok {
			continue // before the range
		}
		for key, ms := range map[string]*int64{"1 p50 ": r.WaitP50MS, "1 p95 ": r.WaitP95MS, "1 oldest ": &r.OldestMS, "2 p50 ": r.RunP50MS, "2 p95 ": r.RunP95MS} {
			if ms == nil {
				require.Empty(w.t, shown[key+at], key+at)
				continue
			}
			value, err := strconv.ParseFloat(shown[key+at], 64)
			require.NoError(w.t, err, key+at)
			require.InDelta(w.t, float64(*ms)/1000, value, 1e-6, key+at)
			compared++
		}
	}
	return compared
}

func TestCharts_ShowWhatSQLTellsBeforeAndAfterARestart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		w := newWorld(t, d)
		now := time.Now()
		r := rand.New(rand.NewPCG(1, 2))
		outcomes := []string{"done", "done", "done", "failed", "lost", "cancelled"}
		for range 150 {
			made := now.Add(-time.Duration(r.Int64N(int64(50 * time.Hour))))
			if r.IntN(2) == 0 {
				made = now.Add(-time.Duration(r.Int64N(int64(50 * time.Minute))))
			}
			id := w.add(seed{state: "done", made: made})
			began := made.Add(time.Duration(r.Int64N(int64(time.Minute))))
			w.exec("UPDATE job_attempts SET started_at = ?, finished_at = ?, outcome = ? WHERE job_id = ?", database.At(began),
				database.At(began.Add(time.Duration(r.Int64N(int64(2*time.Minute))))), outcomes[r.IntN(len(outcomes))], id)
		}
		require.NoError(t, w.sampler(nil).SampleQueues(t.Context()))
		before := map[string]map[string]string{}
		for _, x := range Ranges() {
			shown := w.charted(x.Name)
			before[x.Name] = shown
			compared := 0
			settled := now.Add(-3 * time.Minute).Truncate(x.Step)
			for at := now.Add(-x.Length).Truncate(x.Step).Add(x.Step); at.Before(settled); at = at.Add(x.Step) {
				for key, want := range w.counted(at, at.Add(x.Step)) {
					got, ok := shown[key]
					if !ok && want == "0" && at.Before(now.Add(-50*time.Hour)) {
						continue // before the first job
					}
					if x.Name == "90d" && !ok {
						continue
					}
					require.Equal(t, want, got, "%s %s", x.Name, key)
					compared++
				}
			}
			require.Positive(t, compared, x.Name)
			require.Positive(t, w.compareDurations(shown, x), x.Name)
		}
		w.restart()
		for _, x := range Ranges() {
			after := w.charted(x.Name)
			for key, value := range before[x.Name] {
				if got, ok := after[key]; ok {
					require.Equal(t, value, got, "%s %s", x.Name, key)
				}
			}
			require.Equal(t, len(before[x.Name]) > 0, len(after) > 0)
		}
	})
}

func TestDrain_TheRemainingTimeLiesInTheShownBandWhile200JobsAreWorkedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Postgres(t))
	const jobs, slots = 200, 8
	// A burst that is three minutes old; what ended before tells how long one takes.
	for range jobs {
		w.add(seed{state: "queued", made: time.Now().Add(-3 * time.Minute)})
	}
	lengths := rand.New(rand.NewPCG(3, 4))
	draw := func() time.Duration { return time.Duration(300+lengths.IntN(600)) * time.Millisecond }
	for range 60 {
		id := w.add(seed{state: "done", made: time.Now().Add(-4 * time.Minute)})
		w.exec("UPDATE job_attempts SET started_at = ?, finished_at = ? WHERE job_id = ?", database.At(time.Now().Add(-time.Minute)), database.At(time.Now().Add(-time.Minute).Add(draw())), id)
	}
	w.exec("ALTER TABLE videos DROP CONSTRAINT videos_original_key_key")
	w.exec("UPDATE videos SET original_key = 'original.mp4'")
	w.worker("w1", 0, slots)
	w.exec("UPDATE workers SET queues = ?", testQueue)
	takes := make(chan time.Duration, jobs)
	for range jobs {
		takes <- draw()
	}
	worker := w.sampler(func(ctx context.Context, j processing.Job, report processing.Report) (processing.Output, error) {
		took := <-takes
		report(processing.StageEncode, 50, 1)
		select { // this is the work
		case <-ctx.Done():
		case <-time.After(took):
		}
		return encoded(j)
	})
	began := time.Now()
	type checkpoint struct {
		at       time.Time
		p50, p90 time.Duration
	}
	var shown []checkpoint
	done := make(chan struct{}, jobs)
	stop := make(chan struct{})
	for range slots {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				worker.Handle(context.WithoutCancel(t.Context()), uuid.NewString())
				done <- struct{}{}
			}
		}()
	}
	for i := range jobs {
		<-done
		if i%8 == 0 && i < jobs*95/100 {
			w.exec("UPDATE workers SET beat_at = ?", database.At(time.Now()))
			q := queueNamed(t, w.look(), testQueue)
			require.True(t, drains(q.Drain), "%+v", q.Drain)
			shown = append(shown, checkpoint{time.Now(), q.Drain.P50, q.Drain.P90})
		}
	}
	close(stop)
	end, good := time.Now(), 0
	for _, c := range shown {
		left := end.Sub(c.at)
		if left >= c.p50/2 && left <= c.p90*3/2 {
			good++
		}
		t.Log(fmt.Sprintf("after %s: %s left, shown %s to %s", c.at.Sub(began).Round(time.Second), left.Round(time.Millisecond), c.p50.Round(time.Millisecond), c.p90.Round(time.Millisecond)))
	}
	require.GreaterOrEqual(t, good*100, len(shown)*80, "%d of %d", good, len(shown))
}
