//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/monitor/access"
	"anb/platform/database"
	"anb/platform/ffmpeg/ffmpegtest"
	"anb/platform/taskbus/redistest"
)

// dashboard is a fleet with an API, anb monitor and an encoder that can be
// exchanged.
type dashboard struct {
	*fleet
	api     *client // of a player
	monitor *process
	base    string // of the dashboard
	encoder string // a script
}

// The people who may sign in, and the password of all.
const (
	viewer   = "vera"
	operator = "olga"
	admin    = "alba"
	word     = "kiosko-verde-87"
)

const (
	// restEncoder makes a job last until go says otherwise, at no cost.
	restEncoder = `case "$*" in *libx264*) while [ ! -e "$0.go" ]; do sleep 0.1; done ;; esac; exec ffmpeg "$@"`
	// failEncoder ends badly until go says otherwise.
	failEncoder = `case "$*" in *libx264*) [ -e "$0.go" ] || { echo "[mov @ 0x5599] moov atom not found" >&2; exit 1; } ;; esac; exec ffmpeg "$@"`
)

// newDashboard starts an API and anb monitor; settings are further variables.
func newDashboard(t *testing.T, settings ...string) *dashboard {
	t.Helper()
	d := newUnwatched(t, dbtest.PostgresURL(t, false), settings...)
	d.watch()
	return d
}

// newUnwatched is newDashboard on a database that is there, which leaves anb
// monitor to its caller.
func newUnwatched(t *testing.T, url string, settings ...string) *dashboard {
	t.Helper()
	d := &dashboard{encoder: ffmpegtest.Script(t, plainEncoder)}
	d.fleet = newFleetOn(t, binary(t), redistest.Start(t), url, slices.Concat([]string{"ANB_FFMPEG_FFMPEG=" + d.encoder}, quick, settings)...)
	var users []string
	for name, role := range map[string]access.Role{viewer: access.Viewer, operator: access.Operator, admin: access.Admin} {
		line, err := access.NewUser(name, role, word)
		require.NoError(t, err)
		users = append(users, line)
	}
	api := d.run("serve")
	d.env = append(d.env, "ANB_MONITOR_ADDR=127.0.0.1:0", "ANB_MONITOR_API_URL="+api.base(), "ANB_MONITOR_USERS="+strings.Join(users, "\n"))
	d.api = newClient(t, api.base()).join("Ana", "Cali")
	return d
}

// watch starts anb monitor.
func (d *dashboard) watch(settings ...string) {
	d.t.Helper()
	d.monitor = start(d.t, d.path, d.dir, slices.Concat(d.env, settings), "monitor")
	d.base = d.monitor.dashboard()
}

// during has failures be those of a part of the test.
func (d *dashboard) during(t *testing.T, tabs ...*tab) {
	whole := d.t
	set := func(t *testing.T) {
		d.t, d.api.t = t, t
		for _, b := range tabs {
			b.t = t
		}
	}
	set(t)
	t.Cleanup(func() { set(whole) })
}

// dashboard is base for anb monitor.
func (p *process) dashboard() string {
	p.t.Helper()
	return "http://" + p.said(`msg="serving the dashboard" addr=(\S+)`)
}

// encode makes the encoder a script with this body from the next run on, to
// which go does not say anything yet.
func (d *dashboard) encode(body string) {
	d.t.Helper()
	require.NoError(d.t, os.RemoveAll(d.encoder+".go"))
	require.NoError(d.t, os.Rename(ffmpegtest.Script(d.t, body), d.encoder))
}

// goOn lets resting and failing encoders go on, those to come too.
func (d *dashboard) goOn() {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(d.encoder+".go", nil, 0o600))
}

// job is what the database has of a video's job.
type job struct {
	ID, Video, State, Worker string
	Attempt                  int
	Progress                 float64
	Discarded                bool
}

func (d *dashboard) job(video string) (j job) {
	d.t.Helper()
	d.inDatabase(func(db *database.DB) {
		require.NoError(d.t, db.Read(d.t.Context()).Raw(`SELECT id::text AS id, video_id::text AS video, state, worker, attempt, progress, discarded_at IS NOT NULL AS discarded
			FROM jobs WHERE video_id = ? ORDER BY id DESC LIMIT 1`, video).Scan(&j).Error)
	})
	require.NotEmpty(d.t, j.ID)
	return j
}

// becomes waits until a video's job is in a state.
func (d *dashboard) becomes(video, state string) (j job) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { j = d.job(video); return j.State == state }, patience, 50*time.Millisecond, "job of %s is never %s: %v", video, state, &j)
	return j
}

// audited lists what the audit says of a target: who, what, the result and the
// reason, oldest first.
func (d *dashboard) audited(target string) (lines []string) {
	d.t.Helper()
	d.inDatabase(func(db *database.DB) {
		require.NoError(d.t, db.Read(d.t.Context()).Raw(`SELECT trim(who || ' ' || action || ' ' || result || ' ' || reason) FROM audit_events WHERE target = ? ORDER BY id`, target).
			Scan(&lines).Error)
	})
	return lines
}

// encoders counts the running encoders of x264, real and scripted ones.
func (d *dashboard) encoders() (n int) {
	d.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(d.t, err)
	for _, f := range all {
		line, err := os.ReadFile(f)
		if err == nil && bytes.Contains(line, []byte(d.dir)) && bytes.Contains(line, []byte("libx264")) {
			n++
		}
	}
	return n
}

// scratch lists the folders of attempts in the workers' folders.
func (d *dashboard) scratch() []string {
	d.t.Helper()
	all, err := filepath.Glob(d.dir + "/work/*/*-*")
	require.NoError(d.t, err)
	return all
}

// auditLines counts all lines of the audit.
func (d *dashboard) auditLines() (n int) {
	d.t.Helper()
	d.inDatabase(func(db *database.DB) {
		require.NoError(d.t, db.Read(d.t.Context()).Raw("SELECT count(*) FROM audit_events").Scan(&n).Error)
	})
	return n
}

// operations counts the bulk operations that were begun.
func (d *dashboard) operations(action string) (n int) {
	d.t.Helper()
	d.inDatabase(func(db *database.DB) {
		require.NoError(d.t, db.Read(d.t.Context()).Raw("SELECT count(*) FROM operations WHERE action = ?", action).Scan(&n).Error)
	})
	return n
}

// active counts the jobs that are not over.
func (d *dashboard) active() (n int) {
	d.t.Helper()
	d.inDatabase(func(db *database.DB) {
		require.NoError(d.t, db.Read(d.t.Context()).Raw("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'retrying')").Scan(&n).Error)
	})
	return n
}
