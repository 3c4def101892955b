package processing

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/platform/database"
	"anb/platform/metrics"
	"anb/platform/storage"
)

// fakeVideos remembers what became of each video.
type fakeVideos struct {
	mu     sync.Mutex
	status map[uuid.UUID]string
	keys   map[uuid.UUID]string
	gone   map[uuid.UUID]bool

	measured map[uuid.UUID]Measured
}

func (f *fakeVideos) Source(context.Context, uuid.UUID) (Original, error) {
	return Original{Key: "original.mp4", Start: 3 * time.Second, Player: "Ana Díaz", City: "Bogotá"}, nil
}

func (f *fakeVideos) MarkProcessing(_ context.Context, id uuid.UUID) (bool, error) {
	return !f.gone[id], nil
}

func (f *fakeVideos) Measure(_ context.Context, id uuid.UUID, m Measured) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measured[id] = m
	return nil
}

func (f *fakeVideos) Publish(_ context.Context, id uuid.UUID, files Published) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status[id], f.keys[id] = "processed", files.VideoKey
	return true, nil
}

func (f *fakeVideos) Fail(_ context.Context, id uuid.UUID, code string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status[id] = code
	return nil
}

func (f *fakeVideos) of(id uuid.UUID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status[id]
}

// fakeBus counts what it is sent.
type fakeBus struct {
	mu   sync.Mutex
	sent []string
	down error
}

func (f *fakeBus) Send(_ context.Context, _, _, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, id)
	return f.down
}

func (f *fakeBus) Depth(context.Context, string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.sent)), f.down
}

type inspectorFunc func(context.Context, string) (Source, error)

func (f inspectorFunc) Inspect(ctx context.Context, path string) (Source, error) { return f(ctx, path) }

type encoderFunc func(context.Context, Job, Report) (Output, error)

func (f encoderFunc) Encode(ctx context.Context, j Job, r Report) (Output, error) {
	return f(ctx, j, r)
}

// bench is a worker with a database and stores of its own.
type bench struct {
	*Worker
	client *Client
	videos *fakeVideos
	bus    *fakeBus
	scrape *metrics.Registry
}

func newBench(t *testing.T, d *database.DB, encode encoderFunc) *bench {
	t.Helper()
	open := func(url string) storage.Store {
		s, err := storage.Open(t.Context(), storage.Config{URL: url})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	b := &bench{
		videos: &fakeVideos{status: map[uuid.UUID]string{}, keys: map[uuid.UUID]string{}, gone: map[uuid.UUID]bool{}, measured: map[uuid.UUID]Measured{}},
		bus:    &fakeBus{},
		scrape: metrics.New("test"),
	}
	originals := open(t.TempDir())
	clip := filepath.Join(t.TempDir(), "clip")
	require.NoError(t, os.WriteFile(clip, []byte("a clip"), 0o600))
	require.NoError(t, storage.PutFile(t.Context(), originals, clip, "original.mp4", "video/mp4"))
	config := Config{
		Queue: "q", MaxAttempts: 3, Lease: 30 * time.Second, Heartbeat: 10 * time.Millisecond, Timeout: time.Minute,
		RetryBase: time.Hour, RetryCap: 4 * time.Hour, SweepInterval: time.Second, Grace: time.Minute,
		WorkDir: t.TempDir(), CacheDir: t.TempDir(),
	}
	accept := inspectorFunc(func(context.Context, string) (Source, error) { return Source{}, nil })
	if encode == nil {
		encode = made
	}
	w, err := NewWorker(WorkerDeps{
		ID: "w1", Version: "1.2.3", DB: d, Bus: b.bus, Videos: b.videos, Originals: originals, Processed: open(t.TempDir()),
		Inspector: accept, Encoder: encode, Queues: []string{"q"}, Slots: 2, Log: discard(), Metrics: b.scrape, Config: config,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	b.Worker = w
	b.client, err = NewClient(config, contractLimits(), &Inspector{}, d, b.bus, time.Now, discard())
	require.NoError(t, err)
	return b
}

// made is an encoder that succeeds at once.
func made(_ context.Context, j Job, report Report) (Output, error) {
	report(StageEncode, 50, 1)
	out := Output{Video: File{Path: filepath.Join(j.Dir, "v")}, Poster: File{Path: filepath.Join(j.Dir, "p")}, DecodeErrors: 3, Codec: software}
	return out, errors.Join(os.WriteFile(out.Video.Path, []byte("video"), 0o600), os.WriteFile(out.Poster.Path, []byte("poster"), 0o600))
}

func (b *bench) enqueue(t *testing.T) (task, video uuid.UUID) {
	t.Helper()
	video = uuid.New()
	task, err := b.client.Enqueue(t.Context(), video)
	require.NoError(t, err)
	return task, video
}

type jobState struct {
	State   State
	Attempt int
	Fence   int64
	Reason  string
}

func (b *bench) job(t *testing.T, id uuid.UUID) (s jobState) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("jobs").Where("id = ?", id).Take(&s).Error)
	return s
}

func (b *bench) outcomes(t *testing.T, id uuid.UUID) (out []string) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context()).Table("job_attempts").Where("job_id = ?", id).Order("fence").Pluck("outcome", &out).Error)
	return out
}

// set changes a job behind the worker's back, as time or another process would.
func (b *bench) set(t *testing.T, id uuid.UUID, change string) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context()).Exec("UPDATE jobs SET "+change+" WHERE id = ?", id).Error)
}

func (b *bench) files(t *testing.T) (n int) {
	t.Helper()
	for _, err := range b.Processed.List(t.Context(), "") {
		require.NoError(t, err)
		n++
	}
	return n
}

const past = "lease_until = 0" // SQLite

func (b *bench) expire(t *testing.T, id uuid.UUID) {
	t.Helper()
	if b.DB.Dialect() == database.Postgres {
		b.set(t, id, "lease_until = to_timestamp(0)")
		return
	}
	b.set(t, id, past)
}

func (b *bench) makeDue(t *testing.T, id uuid.UUID) {
	t.Helper()
	if b.DB.Dialect() == database.Postgres {
		b.set(t, id, "run_after = to_timestamp(0)")
		return
	}
	b.set(t, id, "run_after = 0")
}
