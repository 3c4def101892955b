//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// front is nginx with the configuration that is shipped, moved to ports, folders
// and a resolver of the test. Its API may be anything that answers at its
// addresses.
type front struct {
	*process
	names  *names
	dir    string // holds published, certs and the like
	plain  string // host:port of HTTP
	secure string // of HTTPS
	port   string // of every replica of the API
	subnet string // in which each replica has an address
}

// newFront prepares nginx, which run starts, with a folder of published files.
func newFront(t *testing.T, published string) *front {
	t.Helper()
	if _, err := exec.LookPath(nginx()); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") == "1" {
			t.Fatalf("nginx is required: %v", err)
		}
		t.Skipf("nginx is not installed: %v", err)
	}
	f := &front{names: newNames(t), dir: t.TempDir(), plain: freeAddr(t, "127.0.0.1"), secure: freeAddr(t, "127.0.0.1")}
	// Loopback is a whole network: each test has a part of it to itself.
	f.subnet = fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), 1+rand.IntN(250))
	_, f.port, _ = net.SplitHostPort(freeAddr(t, f.replica(1)))
	for _, d := range []string{"certs/acme", "cache", "run", "conf.d"} {
		require.NoError(t, os.MkdirAll(filepath.Join(f.dir, d), 0o755))
	}
	for _, d := range []string{"cache", "run"} { // all that it may write
		require.NoError(t, os.Chmod(filepath.Join(f.dir, d), 0o777))
	}
	reachable(t, f.dir)
	f.move(t, "nginx.conf", "nginx.conf", []moved{
		{"/run/nginx.pid", f.dir + "/run/nginx.pid", 1}, {"/var/cache/nginx", f.dir + "/cache", 5}, {"/etc/nginx/conf.d", f.dir + "/conf.d", 1},
	})
	f.move(t, "default.conf", "conf.d/default.conf", []moved{
		{"listen 80 ", "listen " + f.plain + " ", 1}, {"listen 443 ", "listen " + f.secure + " ", 1},
		{"resolver 127.0.0.11 ", "resolver " + f.names.conn.LocalAddr().String() + " ", 1}, {"http://api:8000;", "http://api:" + f.port + ";", 1},
		{"/var/www/processed_videos", published, 1}, {"/etc/nginx/certs", f.dir + "/certs", 4}, {"/etc/nginx/conf.d", f.dir + "/conf.d", 1},
	})
	return f
}

// moved is a string of the configuration, what stands for it in a test, and how
// often it must be there.
type moved struct {
	is, shall string
	times     int
}

// move copies a file of the configuration and says otherwise where things are.
func (f *front) move(t *testing.T, from, to string, all []moved) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../nginx", from))
	require.NoError(t, err)
	text := string(data)
	for _, m := range all {
		require.Equal(t, m.times, strings.Count(text, m.is), "%s in %s", m.is, from)
		text = strings.ReplaceAll(text, m.is, m.shall)
	}
	require.NotRegexp(t, `(?m)^[^#]*[ \t](/etc|/var|/run)/`, text, "%s has a folder that is not the test's", from)
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, to), []byte(text), 0o644))
}

// reachable opens a test's own folder to nginx.
func reachable(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}

// freeAddr is a host:port on which nobody listens.
func freeAddr(t *testing.T, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	defer func() { require.NoError(t, ln.Close()) }()
	return ln.Addr().String()
}

// replica is the address of the API's n-th replica.
func (f *front) replica(n int) string { return f.subnet + strconv.Itoa(n) }

// nginx is the program, in a folder that is not in every user's PATH.
func nginx() string {
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		return path
	}
	return "nginx"
}

// command is nginx with more arguments. It runs as in its container, without
// root: as the user and the group that may read published files and the key.
// Here those are of the group of the tests.
func (f *front) command(args ...string) *exec.Cmd {
	cmd := exec.Command(nginx(), append([]string{"-p", f.dir, "-c", filepath.Join(f.dir, "nginx.conf"), "-g", "daemon off;"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // its workers end with it only if it is asked to end
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 101, Gid: 10001, Groups: []uint32{uint32(os.Getgid())}}
	}
	return cmd
}

// outputOf gives nginx a pipe that it can open as /dev/stdout, by that name.
func outputOf(t *testing.T, cmd *exec.Cmd) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = read.Close() })
	if c := cmd.SysProcAttr.Credential; c != nil {
		require.NoError(t, write.Chown(int(c.Uid), int(c.Gid)))
	}
	cmd.Stdout, cmd.Stderr = write, write
	return read, write
}

// run starts nginx and returns when it serves; it ends with the test.
func (f *front) run(t *testing.T) *front {
	t.Helper()
	p := &process{t: t, name: "nginx", cmd: f.command(), out: &output{}, done: make(chan struct{})}
	read, write := outputOf(t, p.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_, _ = io.Copy(p.out, read) // until its last worker has ended
			_ = p.cmd.Wait()
			close(p.done)
		}
	}()
	err := <-started
	require.NoError(t, errors.Join(err, write.Close()))
	f.process = p
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-p.done
		if t.Failed() {
			t.Logf("nginx said:\n%s", p.out)
		}
	})
	// What answers is this nginx: its log has the request that it numbered.
	require.Eventually(t, func() bool {
		res, err := http.Get("http://" + f.plain + "/metrics")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusNotFound && f.logged(res.Header.Get("X-Request-Id")) != ""
	}, 10*time.Second, 10*time.Millisecond, "nginx does not answer")
	return f
}

// logged is the line of the access log about a request, "" if there is none.
func (f *front) logged(id string) string {
	text := f.out.String()
	at := strings.LastIndex(text, `"request_id":"`+id+`"`)
	if at < 0 {
		return ""
	}
	line, _, _ := strings.Cut(text[strings.LastIndexByte(text[:at], '\n')+1:], "\n")
	return line
}

// reload has nginx read its configuration again, and returns when new workers
// serve.
func (f *front) reload() {
	f.t.Helper()
	before := f.workers()
	f.signal(syscall.SIGHUP)
	require.Eventually(f.t, func() bool {
		return slices.ContainsFunc(f.workers(), func(pid string) bool { return !slices.Contains(before, pid) })
	}, 10*time.Second, 10*time.Millisecond, "no new worker")
}

// workers lists the processes of nginx's workers.
func (f *front) workers() []string {
	f.t.Helper()
	pid := strconv.Itoa(f.cmd.Process.Pid)
	data, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	require.NoError(f.t, err)
	return strings.Fields(string(data))
}

// certify makes a pair of certificates, by the command that is shipped.
func (f *front) certify(t *testing.T, args ...string) {
	t.Helper()
	script, err := os.ReadFile("../../nginx/self-signed")
	require.NoError(t, err)
	path := filepath.Join(f.dir, "self-signed")
	require.NoError(t, os.WriteFile(path, script, 0o755))
	out, err := exec.Command("sh", append([]string{path}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// change makes the copy of a file of the configuration say something else, for
// what a test cannot wait for.
func (f *front) change(t *testing.T, file, is, shall string) {
	t.Helper()
	path := filepath.Join(f.dir, file)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(data), is), is)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), is, shall, 1)), 0o644))
}

// standIn answers in the place of the API's n-th replica.
func (f *front) standIn(t *testing.T, n int, h http.HandlerFunc) {
	t.Helper()
	ln, err := net.Listen("tcp", f.replica(n)+":"+f.port)
	require.NoError(t, err)
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		serving.Wait()
	})
}

// told is an answer of nginx, and what its log says about it.
type told struct {
	status int
	header http.Header
	body   string
	line   map[string]any
}

// send sends bytes to HTTP's port and returns the answer.
func (f *front) send(t *testing.T, request string) told {
	t.Helper()
	c, err := net.Dial("tcp", f.plain)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method}) // HEAD's has no body
	require.NoError(t, err)
	return f.told(t, res, c)
}

// told reads an answer to its end and waits for the log, in which it is once
// nothing more is expected on the connection.
func (f *front) told(t *testing.T, res *http.Response, c io.Closer) told {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = c.Close()
	a := told{status: res.StatusCode, header: res.Header, body: string(body)}
	require.Eventually(t, func() bool {
		return json.Unmarshal([]byte(f.logged(res.Header.Get("X-Request-Id"))), &a.line) == nil
	}, 10*time.Second, 5*time.Millisecond, "nothing is logged")
	return a
}
