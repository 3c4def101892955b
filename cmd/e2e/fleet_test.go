//go:build e2e

package e2e

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus/redistest"
)

// quick makes processing cheap enough for tests: small pictures, short clips,
// light password hashes, short waits.
var quick = []string{
	"ANB_UPLOAD_MIN_DURATION=1s", "ANB_UPLOAD_MAX_DURATION=20s", "ANB_UPLOAD_TOLERANCE=200ms", "ANB_UPLOAD_MIN_SHORT_SIDE=120", "ANB_UPLOAD_REPEAT_WINDOW=0s",
	"ANB_ENCODER_WIDTH=320", "ANB_ENCODER_HEIGHT=180", "ANB_ENCODER_CLIP_LENGTH=2s", "ANB_ENCODER_CARD_LENGTH=500ms",
	"ANB_PROCESSING_SWEEP_INTERVAL=300ms", "ANB_PROCESSING_LEASE=3s", "ANB_PROCESSING_HEARTBEAT=1s",
	"ANB_PROCESSING_RETRY_BASE=100ms", "ANB_PROCESSING_RETRY_CAP=500ms", "ANB_AUTH_HASH_MEMORY=64",
}

// slow makes one job last some seconds, so that it can be interrupted midway:
// ffmpeg encodes in real time, which costs no more than encoding fast.
func slow(t *testing.T) []string {
	t.Helper()
	return []string{slowly, "ANB_FFMPEG_FFMPEG=" + ffmpegtest.Script(t, slowEncoder)}
}

// fleet is the roles as separate processes on PostgreSQL and Redis.
type fleet struct {
	t     *testing.T
	dir   string
	redis *redistest.Server
	url   string // of the database
	env   []string
	path  string
}

// newFleet starts the servers and migrates; settings are further variables.
func newFleet(t *testing.T, path string, settings ...string) *fleet {
	t.Helper()
	return newFleetOn(t, path, redistest.Start(t), dbtest.PostgresURL(t, false), settings...)
}

// newFleetOn is newFleet on servers that are there.
func newFleetOn(t *testing.T, path string, broker *redistest.Server, url string, settings ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), redis: broker, url: url, path: path}
	secret := filepath.Join(f.dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef\n"), 0o600))
	f.env = append([]string{
		"DATABASE_URL=" + f.url, "REDIS_URL=" + f.redis.URL(), "ANB_AUTH_JWT_SECRET_FILE=" + secret, "ANB_HTTP_ADDR=127.0.0.1:0",
		"ANB_PROCESSING_WORK_DIR=" + f.dir + "/work", "ANB_PROCESSING_CACHE_DIR=" + f.dir + "/cache",
	}, settings...)
	require.Zero(t, f.run("migrate", "up").wait(time.Minute))
	t.Cleanup(func() { // after the processes have ended
		requireNoStrays(t, f.dir, 5*time.Second)
	})
	return f
}

func (f *fleet) run(args ...string) *process { return start(f.t, f.path, f.dir, f.env, args...) }

func (f *fleet) worker(args ...string) *process {
	p := f.run(append([]string{"work"}, args...)...)
	p.said("worker consumes")
	return p
}

// attempts lists how the attempts at a video's job ended, first to last.
func (f *fleet) attempts(video string) (out []string) {
	f.t.Helper()
	f.inDatabase(func(d *database.DB) {
		require.NoError(f.t, d.Read(f.t.Context()).Table("job_attempts a").Joins("JOIN jobs j ON j.id = a.job_id").
			Where("j.video_id = ?", video).Order("a.fence").Pluck("a.outcome", &out).Error)
	})
	return out
}

// exec does behind the processes' backs what a broken disk or an older backup
// would.
func (f *fleet) exec(sql string, args ...any) {
	f.t.Helper()
	f.inDatabase(func(d *database.DB) { require.NoError(f.t, d.Write(f.t.Context()).Exec(sql, args...).Error) })
}

func (f *fleet) inDatabase(do func(*database.DB)) {
	f.t.Helper()
	d, err := database.Open(database.Config{URL: f.url, MaxOpen: 1, QueryTimeout: time.Minute}, slog.New(slog.DiscardHandler))
	require.NoError(f.t, err)
	defer func() { require.NoError(f.t, d.Close()) }()
	do(d)
}

// requireTidy requires that storage holds just what published videos need, and
// the janitor's witness, and that scratch is empty once the workers have ended.
func (f *fleet) requireTidy(videos int) {
	f.t.Helper()
	count := func(dir string) (n int) {
		err := filepath.WalkDir(filepath.Join(f.dir, dir), func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), "known-job-") {
				n++
			}
			return err
		})
		require.NoError(f.t, err)
		return n
	}
	require.Equal(f.t, videos, count("uploads"), "originals, and nothing staged")
	require.Equal(f.t, 2*videos, count("processed_videos"), "a video and a poster each")
	require.Zero(f.t, count("work"), "scratch")
}
