//go:build e2e

package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"anb/platform/database"
)

func schemaFaults() []faultCase {
	return []faultCase{
		{"F34", "ten anb migrate up at once on an empty database; one killed in the middle of a migration", "all end with 0 and each version is there once; the killed one leaves nothing half-done, and the next one finishes", true, migratedAtOnce},
		{"F35", "the previous release beside this one, on this one's schema", "both serve, vote, delete and process each other's videos", false, oldAndNew},
	}
}

// altering is the newest migration that changes tables which others use, and so
// has to wait for them.
const altering = 10

func migratedAtOnce(x *experiment) {
	r := newRig(x)
	for n := range x.rounds(1, 5) {
		url := r.pg.Create("empty" + string(rune('a'+n)))
		fresh := r.with("DATABASE_URL=" + url)
		fresh.url = url
		var all []*process
		for range 10 {
			all = append(all, fresh.run("migrate", "up"))
		}
		for _, p := range all {
			require.Zero(x, p.wait(2*time.Minute), p.out.String())
		}
		x.occurred("ten ran at once and ended with 0")
		newest := fresh.versions()
		require.Equal(x, slices.Compact(slices.Clone(newest)), newest, "a version is there twice")

		for len(fresh.versions()) >= altering {
			require.Zero(x, fresh.run("migrate", "down").wait(time.Minute))
		}
		require.Len(x, fresh.versions(), altering-1)
		fresh.inDatabase(func(d *database.DB) {
			require.NoError(x, d.Write(x.Context()).Transaction(func(tx *gorm.DB) error {
				for _, table := range []string{"users", "sessions", "videos", "votes", "player_totals", "jobs", "job_attempts"} {
					if err := tx.Exec("LOCK TABLE " + table + " IN ROW EXCLUSIVE MODE").Error; err != nil {
						return err
					}
				}
				p := fresh.run("migrate", "up")
				fresh.inDatabase(func(d *database.DB) { // a transaction would see its first look again and again
					x.eventually(time.Minute, "the migration does not wait", func() bool {
						var waiting int64
						err := d.Read(x.Context()).Raw("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting).Error
						return err == nil && waiting == 1
					})
				})
				p.kill()
				x.killed(p)
				x.occurred("one was killed while it waited for a lock in the middle of its migration")
				return nil
			}))
		})
		require.Len(x, fresh.versions(), altering-1)
		at := time.Now()
		require.Zero(x, fresh.run("migrate", "up").wait(time.Minute))
		x.recovered(at)
		require.Equal(x, newest, fresh.versions())
	}
	r.check()
}

// versions lists the migrations that are applied.
func (r *rig) versions() (all []int64) {
	r.x.Helper()
	r.inDatabase(func(d *database.DB) {
		require.NoError(r.x, d.Read(r.x.Context()).Table("goose_db_version").Where("is_applied AND version_id > 0").Order("version_id").Pluck("version_id", &all).Error)
	})
	return all
}

// previous builds the last release, or without one the last commit that knew
// an older schema, and returns its path and its name.
func previous(x *experiment) (path, name string) {
	x.Helper()
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", args...).Output()
		return strings.TrimSpace(string(out)), err
	}
	root, err := git("rev-parse", "--show-toplevel")
	require.NoError(x, err)
	name, err = git("describe", "--tags", "--abbrev=0")
	if err != nil {
		changed, err := git("-C", root, "log", "-1", "--format=%H", "--diff-filter=A", "--", "db/migrations")
		require.NoError(x, err)
		name, err = git("rev-parse", "--short", changed+"^")
		require.NoError(x, err)
	}
	tree := filepath.Join(x.TempDir(), "tree")
	_, err = git("-C", root, "worktree", "add", "--detach", tree, name)
	require.NoError(x, err)
	x.Cleanup(func() {
		_, err := git("-C", root, "worktree", "remove", "--force", tree)
		require.NoError(x, err)
	})
	path = filepath.Join(x.TempDir(), "anb-previous")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	build.Dir = tree
	out, err := build.CombinedOutput()
	require.NoError(x, err, string(out))
	return path, name
}

func oldAndNew(x *experiment) {
	path, name := previous(x)
	r := newRig(x)
	old := *r.fleet
	old.path = path
	// What it cannot know must not be in its environment.
	check := start(x.T, path, r.dir, old.env, "config", "check")
	_ = check.wait(time.Minute)
	for _, m := range regexp.MustCompile(`unknown variable (\w+)`).FindAllStringSubmatch(check.out.String(), -1) {
		old.env = slices.DeleteFunc(slices.Clone(old.env), func(s string) bool { return strings.HasPrefix(s, m[1]+"=") })
	}
	x.occurred("%s was built and ran", name)
	x.rounds(1, 1)
	apis := map[string]*process{"old": old.run("serve"), "new": r.serve()}
	start := map[string]func() *process{"old": func() *process { return old.worker() }, "new": func() *process { return r.worker() }}
	clip := clipOf(x.T, 2)
	for _, uploader := range []string{"old", "new"} {
		for _, worker := range []string{"old", "new"} {
			u := r.book.join(apis[uploader].base(), "ana")
			id := u.accepted(clip)
			w := start[worker]()
			u.processed(id)
			r.quit(w)
			for _, voted := range []string{"old", "new"} {
				voter := r.book.join(apis[voted].base(), "luis")
				require.Equal(x, http.StatusOK, voter.vote(id).status)
				require.Equal(x, http.StatusBadRequest, voter.vote(id).status)
				require.Equal(x, http.StatusOK, voter.call(http.MethodGet, "/api/public/videos/"+id+"/stream", nil).status)
				doomed := u.accepted(clip)
				require.Equal(x, http.StatusOK, u.at(apis[voted].base()).delete(doomed).status)
			}
		}
	}
	for _, p := range apis {
		ranking := (&user{b: r.book, base: p.base()}).call(http.MethodGet, "/api/public/rankings", nil)
		require.Equal(x, http.StatusOK, ranking.status)
	}
	r.check()
}
