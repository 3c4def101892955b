//go:build e2e && compose

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
)

// visits are what clients do all the while.
type visits struct {
	requests, uploads atomic.Int64
	mu                sync.Mutex
	failed            []string
	end               chan struct{}
	group             sync.WaitGroup
}

// every calls f until the load ends, and notes what it says is wrong.
func (l *visits) every(pause time.Duration, f func() string) {
	l.group.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-l.end:
				return
			case <-tick.C:
			}
			wrong := f()
			l.requests.Add(1)
			if wrong != "" {
				l.mu.Lock()
				l.failed = append(l.failed, time.Now().Format("15:04:05.000 ")+wrong)
				l.mu.Unlock()
			}
		}
	})
}

// stop ends the load and returns what failed.
func (l *visits) stop() []string {
	close(l.end)
	l.group.Wait()
	return l.failed
}

// visitors read, write, and upload slowly.
func (o *owner) visitors() *visits {
	l := &visits{end: make(chan struct{})}
	ask := func(method, path string, body string, header ...string) func() string {
		return func() string {
			r := o.ana.call(method, path, strings.NewReader(body), header...)
			if r.err != nil || r.status >= 300 {
				return fmt.Sprintf("%s %s: %d %v %v", method, path, r.status, r.body, r.err)
			}
			return ""
		}
	}
	address := o.ana.call(http.MethodGet, "/api/videos/"+o.published, nil).text("processed_url")
	for range 2 {
		l.every(25*time.Millisecond, ask(http.MethodGet, "/api/public/videos?limit=5", ""))
		l.every(25*time.Millisecond, ask(http.MethodGet, "/api/public/rankings", ""))
	}
	l.every(50*time.Millisecond, ask(http.MethodGet, "/health", ""))
	l.every(50*time.Millisecond, ask(http.MethodGet, address, "", "Range", "bytes=0-1023"))
	l.every(50*time.Millisecond, ask(http.MethodPatch, "/api/auth/me", `{"city":"Cali"}`,
		"Content-Type", "application/json", "Connection", "close")) // a reload ends idle connections, and this may not be sent twice
	l.every(time.Second, func() string { // takes ten seconds
		r := o.ana.send(o.book.key(), o.file(), func(b []byte) io.Reader { return paced(o.t.Context(), b, 50, 10*time.Second) })
		if r.status != http.StatusCreated {
			return fmt.Sprintf("upload: %d %v %v", r.status, r.body, r.err)
		}
		l.uploads.Add(1)
		return ""
	})
	return l
}

// next is what the new version has of its own: a table, a site of nginx, and a
// setting of every role.
const next = `set -eu
for dialect in postgres sqlite; do
  last=$(ls db/migrations/$dialect | tail -n 1 | cut -d_ -f1 | sed 's/^0*//')
  printf -- '-- +goose Up\nCREATE TABLE trial (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE trial;\n' >db/migrations/$dialect/$(printf %05d $((last + 1)))_trial.sql
done
echo '# changed' >>nginx/default.conf
sed -i 's/ANB_LOG_LEVEL:-info/ANB_LOG_LEVEL:-debug/' compose/docker-compose.yml
git add -A
git -c user.name=x -c user.email=x@example.co commit -qm 'A change'
git push -q origin HEAD:main`

// beforeUpdate gives the origin a new version, and clients something to do.
func (o *owner) beforeUpdate() {
	o.run(`git clone -q "$(git remote get-url origin)" ../next`)
	o.in(filepath.Join(o.dir, "../next"), next)
	l := o.visitors()
	o.stop = func() {
		failed := l.stop()
		o.t.Logf("%d requests and %d uploads of ten seconds while two updates and a rollback went on, %d failed", l.requests.Load(), l.uploads.Load(), len(failed))
		if len(failed) > 0 {
			o.t.Logf("nginx says:\n%s", o.quiet(`docker logs --since 10m anb_nginx 2>&1 | grep -E '"status":5|\[(error|crit|alert|emerg)\]' | tail -n 60`))
		}
		require.Empty(o.t, failed)
		require.Greater(o.t, l.requests.Load(), int64(3000))
		require.GreaterOrEqual(o.t, l.uploads.Load(), int64(3))
	}
}

// afterUpdate: nobody noticed anything, and what runs is what is checked out.
func (o *owner) afterUpdate() {
	o.stop()
	require.Contains(o.t, o.quiet("docker-compose exec -T api anb version"), strings.TrimSpace(o.quiet("git describe --tags --always")))
	require.Contains(o.t, o.quiet("docker-compose exec -T postgres psql -U anb_user -d anb_db -Atc '\\dt trial'"), "trial", "the new version's table")
	o.scaled()
	o.healthy(2 * time.Minute)
}

// scaled: as many replicas as were asked for in .env are there.
func (o *owner) scaled() {
	o.t.Helper()
	require.Len(o.t, o.service("api"), 3)
	require.Len(o.t, o.service("worker"), 4)
}

// record is what has been acknowledged.
type record struct {
	uploads map[string]string // video: checksum of the original
	votes   map[vote]bool
	tokens  []*user
}

func (o *owner) acknowledged() record {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	r := record{uploads: map[string]string{}, votes: maps.Clone(o.book.votes), tokens: []*user{o.ana}}
	for _, u := range o.book.uploads {
		if u.id != "" {
			r.uploads[u.id] = u.sha256
		}
	}
	maps.DeleteFunc(r.votes, func(_ vote, sure bool) bool { return !sure })
	return r
}

// beforeBackup has players upload and people vote from now on.
func (o *owner) beforeBackup() {
	var people []*user
	for i := range 6 {
		people = append(people, o.join(fmt.Sprintf("persona%d", i)))
	}
	l := &visits{end: make(chan struct{})}
	var next atomic.Int64
	l.every(time.Second, func() string {
		r := o.ana.send(o.book.key(), o.file(), func(b []byte) io.Reader { return bytes.NewReader(b) })
		if r.status != http.StatusCreated {
			return fmt.Sprintf("upload: %d %v %v", r.status, r.body, r.err)
		}
		return ""
	})
	l.every(300*time.Millisecond, func() string {
		n := int(next.Add(1))
		r := people[n%len(people)].vote(o.anyPublished(n / len(people)))
		if r.status != http.StatusOK && r.text("code") != "ALREADY_VOTED" {
			return fmt.Sprintf("vote: %d %v %v", r.status, r.body, r.err)
		}
		return ""
	})
	require.Eventually(o.t, func() bool { return len(o.acknowledged().votes) >= 10 }, time.Minute, 100*time.Millisecond)
	o.kept = o.acknowledged()
	o.kept.tokens = append(o.kept.tokens, people...)
	o.stop = func() { require.Empty(o.t, l.stop()) }
}

// anyPublished is a published video, another for each number as long as there
// are others.
func (o *owner) anyPublished(n int) string {
	r, err := o.book.http.Get(home + "/api/public/videos?limit=20")
	if err != nil {
		return o.published
	}
	defer func() { _ = r.Body.Close() }()
	var all []struct {
		ID string `json:"video_id"`
	}
	if json.NewDecoder(r.Body).Decode(&all) != nil || len(all) == 0 {
		return o.published
	}
	return all[n%len(all)].ID
}

func (o *owner) afterBackup() {
	o.stop()
	info, err := os.Stat(filepath.Join(o.dir, "anb.backup"))
	require.NoError(o.t, err)
	o.t.Logf("the archive has %.1f MB, with %d videos and %d votes acknowledged before it was begun", float64(info.Size())/1e6,
		len(o.kept.uploads), len(o.kept.votes))
}

func (o *owner) beforeRestore() {
	o.run("docker-compose exec -T api anb doctor")
}

// afterRestore: who was signed in still is, and every upload and vote that was
// acknowledged before the backup is there, byte for byte.
func (o *owner) afterRestore() {
	o.restored()
	o.run("docker-compose exec -T api anb doctor")
}

// afterDatabase is afterRestore, with a database from before the archive: if
// somebody has uploaded between the two, the doctor says so, and nothing else.
func (o *owner) afterDatabase() {
	o.restored()
	out, err := o.command(o.t.Context(), o.dir, "docker-compose exec -T api anb doctor").CombinedOutput()
	if err != nil {
		require.Contains(o.t, string(out), "looks restored from an older backup")
		require.Contains(o.t, string(out), "1 findings in")
	}
}

func (o *owner) restored() {
	o.t.Helper()
	o.healthy(2 * time.Minute)
	for _, u := range o.kept.tokens {
		require.Equal(o.t, http.StatusOK, u.call(http.MethodGet, "/api/auth/me", nil).status, "a sign-in from before")
	}
	rows := o.rows("SELECT id, original_key, original_sha256 FROM videos")
	for id, sum := range o.kept.uploads {
		require.Contains(o.t, rows, id)
		require.Equal(o.t, sum, rows[id][1], "checksum of %s", id)
		file := o.quiet("find uploads -path '*" + rows[id][0] + "' | head -n 1 | xargs sha256sum")
		require.Equal(o.t, sum, strings.Fields(file)[0], "the original of %s", id)
	}
	votes := map[vote]bool{}
	for pair := range o.rows("SELECT user_id || ' ' || video_id FROM votes") {
		u, v, _ := strings.Cut(pair, " ")
		votes[vote{u, v}] = true
	}
	for v := range o.kept.votes {
		require.True(o.t, votes[v], "a vote of %s for %s is lost", v.user, v.video)
	}
	require.Equal(o.t, o.sum, o.fetched(o.ana.call(http.MethodGet, "/api/videos/"+o.published, nil).text("processed_url")))
	for id := range o.kept.uploads {
		o.ana.processed(id)
	}
}

// rows are the rows of a query by their first column.
func (o *owner) rows(query string) map[string][]string {
	o.t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(o.quiet(`docker-compose exec -T postgres psql -U anb_user -d anb_db -AtF, -c "` + query + `"`)) {
		columns := strings.Split(strings.TrimSpace(line), ",")
		all[columns[0]] = columns[1:]
	}
	return all
}

// afterSecrets: the old sign-ins have ended, new ones work, and so does all else.
func (o *owner) afterSecrets() {
	o.healthy(2 * time.Minute)
	require.Equal(o.t, http.StatusUnauthorized, o.ana.call(http.MethodGet, "/api/auth/me", nil).status)
	o.ana = o.join("otra")
	o.ana.processed(o.accepted(o.ana))
	o.dashboardWantsPassword()
	o.scaled()
}

// afterHTTPS: plain HTTP leads to HTTPS, which is modern.
func (o *owner) afterHTTPS() {
	o.healthy(time.Minute, "nginx")
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	var res *http.Response
	require.Eventually(o.t, func() (ok bool) {
		var err error
		if res, err = client.Get("https://localhost/api/public/videos"); err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}, time.Minute, 200*time.Millisecond)
	require.Equal(o.t, 2, res.ProtoMajor)
	require.GreaterOrEqual(o.t, res.TLS.Version, uint16(tls.VersionTLS12))
	require.NotEmpty(o.t, res.Header.Get("Strict-Transport-Security"))
	res, err := client.Get(home + "/api/public/videos")
	require.NoError(o.t, err)
	require.NoError(o.t, res.Body.Close())
	require.Contains(o.t, []int{http.StatusMovedPermanently, http.StatusPermanentRedirect}, res.StatusCode)
	require.Equal(o.t, "https://localhost/api/public/videos", res.Header.Get("Location"))
}

// afterEnd: no container is left, and what is kept is kept.
func (o *owner) afterEnd() {
	require.Empty(o.t, o.service())
	require.Contains(o.t, o.quiet("docker volume ls -q"), "anb_postgres_data")
	require.NotEmpty(o.t, o.quiet("ls uploads"))
}
