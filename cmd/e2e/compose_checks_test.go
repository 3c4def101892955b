//go:build e2e && compose

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// afterStart: all is up within a minute, looks from outside as the guide says,
// and a player's clip goes the whole way through port 80.
func (o *owner) afterStart() {
	o.healthy(time.Minute)
	o.t.Logf("healthy %.1f s after the first container was made", time.Since(o.born()).Seconds())
	o.outside()
	o.ana = o.join("ana")
	luis := o.join("luis")
	o.published = o.accepted(o.ana)
	o.ana.processed(o.published)
	r := o.ana.call(http.MethodGet, "/api/videos/"+o.published, nil)
	address := r.text("processed_url")
	require.True(o.t, strings.HasPrefix(address, "/processed/"), "%v", r.body)
	o.sum = o.fetched(address)
	require.Equal(o.t, http.StatusOK, luis.vote(o.published).status)
	require.Equal(o.t, http.StatusBadRequest, luis.vote(o.published).status, "a second vote")
	o.dashboardWantsPassword()
	o.memory()
}

// born is when the first container was made.
func (o *owner) born() time.Time {
	all := strings.Fields(o.quiet("docker inspect -f '{{.Created}}' $(docker-compose ps -aq)"))
	at, err := time.Parse(time.RFC3339Nano, slices.Min(all))
	require.NoError(o.t, err)
	return at
}

// roles run as the services of the guide; init and migrate have ended.
var roles = []string{"nginx", "api", "worker", "flower", "redis", "postgres"}

// outside looks at the containers as their engine does.
func (o *owner) outside() {
	ports := map[string][]string{"nginx": {"443", "80"}, "flower": {"5555"}}
	var seen []string
	for _, c := range o.service() {
		name := c.service()
		require.Contains(o.t, c.HostConfig.CapDrop, "ALL", name)
		require.Equal(o.t, []string{"no-new-privileges:true"}, c.HostConfig.SecurityOpt, name)
		if name == "init" || name == "migrate" {
			require.Equal(o.t, "exited", c.State.Status, name)
			require.Empty(o.t, c.HostConfig.PortBindings, name)
			continue
		}
		seen = append(seen, name)
		var published []string
		for _, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				published = append(published, b.HostPort)
			}
		}
		slices.Sort(published)
		require.Equal(o.t, ports[name], published, "ports of %s", name)
		require.NotContains(o.t, []string{"", "root", "0", "0:0"}, c.Config.User, "user of %s", name)
		for _, pid := range c.processes() {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err == nil {
				require.NotRegexp(o.t, `(?m)^Uid:.*\t0(\t|$)`, string(status), "a process of %s is root", name)
			}
		}
		h := c.HostConfig
		require.Empty(o.t, h.CapAdd, name)
		require.True(o.t, h.ReadonlyRootfs, name)
		require.Positive(o.t, h.Memory, name)
		require.Positive(o.t, h.NanoCpus, name)
		require.Positive(o.t, h.PidsLimit, name)
		require.Equal(o.t, "unless-stopped", h.RestartPolicy.Name, name)
		require.NotEmpty(o.t, h.LogConfig.Config["max-size"], name)
		for _, m := range c.Mounts {
			require.NotContains(o.t, m.Source, "docker.sock", name)
			if name == "nginx" || strings.HasPrefix(m.Destination, "/run/secrets/") {
				require.False(o.t, m.RW, "%s may write to %s", name, m.Destination)
			}
		}
	}
	require.Contains(o.t, o.quiet("docker-compose exec -T redis redis-cli ping 2>&1 || true"), "NOAUTH", "Redis wants its password")
	for _, port := range []string{"5432", "6379", "8000", "9090"} { // of this stack: nobody else may have them now
		c, err := net.DialTimeout("tcp", "localhost:"+port, time.Second)
		if err == nil {
			_ = c.Close()
		}
		require.Error(o.t, err, "port %s is open", port)
	}
	slices.Sort(seen)
	require.ElementsMatch(o.t, roles, slices.Compact(seen))
	secrets, err := os.Stat(filepath.Join(o.dir, "secrets"))
	require.NoError(o.t, err)
	require.Equal(o.t, os.FileMode(0o700), secrets.Mode().Perm())
	require.NotContains(o.t, o.quiet("docker-compose ps -q | xargs docker inspect"), strings.TrimSpace(o.secret("postgres_password")), "a password can be seen by inspecting")
}

func (o *owner) secret(name string) string {
	data, err := os.ReadFile(filepath.Join(o.dir, "secrets", name))
	require.NoError(o.t, err)
	return string(data)
}

// memory is what the containers hold at rest.
func (o *owner) memory() {
	const mib = 1 << 20
	for name, most := range map[string]int64{"api": 64, "worker": 64, "flower": 48} {
		for _, c := range o.service(name) {
			var held int64
			calm := 0 // readings in a row: what hashing a password took goes back after 2 s
			require.Eventually(o.t, func() bool {
				if held = c.anonymous(o.t); held <= most*mib {
					calm++
				} else {
					calm = 0
				}
				return calm == 5
			}, 30*time.Second, time.Second, "%s does not come to rest", c.Name)
			o.t.Logf("%s holds %.1f MiB of anonymous memory at rest", c.Name, float64(held)/mib)
		}
	}
	for _, c := range o.service("nginx", "redis", "postgres") {
		o.t.Logf("%s holds %.1f MiB of anonymous memory at rest", c.Name, float64(c.anonymous(o.t))/mib)
	}
}

// join signs up as soon as nginx's limit of sign-ups allows it.
func (o *owner) join(name string) *user {
	o.t.Helper()
	o.free("/api/auth/signup")
	return o.book.join(home, name)
}

// free waits until nginx lets a request to a limited path pass.
func (o *owner) free(path string) {
	o.t.Helper()
	u := &user{b: o.book, base: home}
	require.Eventually(o.t, func() bool {
		r := u.post(path, map[string]any{})
		return r.err == nil && r.status == http.StatusBadRequest
	}, time.Minute, time.Second, "%s is never free", path)
}

// accepted uploads a clip that nobody has uploaded before.
func (o *owner) accepted(u *user) string {
	o.t.Helper()
	r := u.send(o.book.key(), o.file(), func(b []byte) io.Reader { return bytes.NewReader(b) })
	require.Equal(o.t, http.StatusCreated, r.status, "%v %v", r.body, r.err)
	return r.text("video_id")
}

// fetched is the checksum of a published file, which ffprobe must like.
func (o *owner) fetched(address string) string {
	o.t.Helper()
	res, err := o.book.http.Get(home + address)
	require.NoError(o.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(o.t, err)
	require.Equal(o.t, http.StatusOK, res.StatusCode, address)
	path := filepath.Join(o.t.TempDir(), "published.mp4")
	require.NoError(o.t, os.WriteFile(path, data, 0o600))
	probed, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", path).CombinedOutput()
	require.NoError(o.t, err, "%s", probed)
	require.Equal(o.t, "h264,1280,720", strings.TrimSpace(string(probed)))
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// dashboardWantsPassword: without it nobody sees anything of the dashboard.
func (o *owner) dashboardWantsPassword() {
	o.t.Helper()
	ask := func(password string) int {
		req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, board+"/api/v1/workers", nil)
		require.NoError(o.t, err)
		if password != "" {
			req.SetBasicAuth("admin", password)
		}
		res, err := o.book.http.Do(req)
		require.NoError(o.t, err)
		require.NoError(o.t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(o.t, http.StatusUnauthorized, ask(""))
	require.Equal(o.t, http.StatusUnauthorized, ask("not the password"))
	require.Equal(o.t, http.StatusOK, ask(strings.TrimSpace(o.secret("monitor_password"))))
}

// afterLook: the doctor has found nothing, or the command had failed; and an id
// of a request is the same everywhere.
func (o *owner) afterLook() {
	r := o.ana.call(http.MethodPost, "/api/videos/upload", strings.NewReader(""), "X-Request-Id", "forged-by-the-client")
	id := r.header.Get("X-Request-Id")
	require.NotEmpty(o.t, id)
	require.NotEqual(o.t, "forged-by-the-client", id)
	r = o.ana.send(o.book.key(), o.file(), func(b []byte) io.Reader { return bytes.NewReader(b) })
	require.Equal(o.t, http.StatusCreated, r.status)
	o.ana.processed(r.text("video_id"))
	id = r.header.Get("X-Request-Id")
	for _, service := range []string{"nginx", "api", "worker"} {
		require.Contains(o.t, o.quiet("docker-compose logs --no-color "+service), id, "the logs of %s", service)
	}
	require.Contains(o.t, o.quiet("docker-compose logs --no-color worker | grep "+id), "ffmpeg")
	require.NotEmpty(o.t, o.quiet("ls logs"), "the folder of logs")
}

func (o *owner) afterRestart() {
	o.healthy(2 * time.Minute)
	require.Equal(o.t, "processed", first(o.ana.status(o.published)), "volumes and folders outlive their containers")
}

func first[A, B any](a A, _ B) A { return a }

// afterScale: the replicas share the requests, and whatever of them is killed
// comes back by itself and loses nothing.
func (o *owner) afterScale() {
	o.healthy(2 * time.Minute)
	o.scaled()
	o.allServe(3)
	var videos []string
	for range 4 {
		videos = append(videos, o.accepted(o.ana))
	}
	o.ana.midway(videos[0])
	began := time.Now()
	workers := o.service("worker")
	o.crash(workers[0])
	o.crash(workers[1])
	o.crash(o.service("api")[0])
	o.crash(o.service("redis")[0])
	videos = append(videos, o.eventually(o.ana))
	o.crash(o.service("postgres")[0])
	videos = append(videos, o.eventually(o.ana))
	o.ana.processed(videos...)
	o.healthy(2 * time.Minute)
	o.t.Logf("all well and all %d videos processed %.0f s after two workers, an API, Redis and PostgreSQL were killed", len(videos), time.Since(began).Seconds())
	restarts := 0
	for _, c := range o.service() {
		restarts += c.RestartCount
	}
	require.GreaterOrEqual(o.t, restarts, 5)
	o.run("docker-compose exec -T api anb doctor")
}

// eventually uploads, again and again with one key, until it is accepted.
func (o *owner) eventually(u *user) (video string) {
	o.t.Helper()
	key, file := o.book.key(), o.file()
	require.Eventually(o.t, func() bool {
		r := u.send(key, file, func(b []byte) io.Reader { return bytes.NewReader(b) })
		video = r.text("video_id")
		return r.status == http.StatusCreated
	}, time.Minute, 500*time.Millisecond)
	return video
}

// allServe waits until nginx has sent requests to as many replicas.
func (o *owner) allServe(replicas int) {
	o.t.Helper()
	require.Eventually(o.t, func() bool {
		o.ana.call(http.MethodGet, "/api/health", nil)
		used := o.quiet(`docker logs --since 30s anb_nginx 2>/dev/null | grep -o '"upstream":"[0-9.]*' | sort -u | wc -l`)
		return strings.TrimSpace(used) == fmt.Sprint(replicas)
	}, time.Minute, 100*time.Millisecond, "nginx does not use all replicas")
}
