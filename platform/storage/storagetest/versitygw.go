package storagetest

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The S3 server of the tests. It is a program, not a library, so go.mod knows
// nothing of it; the checksum database vouches for it.
const (
	serverModule  = "github.com/versity/versitygw"
	serverVersion = "v1.8.0"
)

// Install returns the path of the S3 server's program, below the repository's
// bin folder. When it is not there yet it is built, for a minute or two; of
// several processes that ask, one builds and the others wait.
func Install(ctx context.Context) (string, error) {
	root, err := repository()
	if err != nil {
		return "", fmt.Errorf("install the S3 server: %w", err)
	}
	tools := filepath.Join(root, "bin", "tools")
	if err := os.MkdirAll(tools, 0o750); err != nil {
		return "", fmt.Errorf("install the S3 server: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(tools, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("install the S3 server: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("install the S3 server: %w", err)
	}
	program := filepath.Join(tools, "versitygw-"+serverVersion)
	switch info, err := buildinfo.ReadFile(program); {
	case err == nil && info.Main.Version == serverVersion:
		return program, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("install the S3 server: look at %s: %w", program, err)
	}
	fresh, err := os.MkdirTemp(tools, "building-")
	if err != nil {
		return "", fmt.Errorf("install the S3 server: %w", err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags=-s -w", serverModule+"/cmd/versitygw@"+serverVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+fresh, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the S3 server: %w: %s", err, out)
	}
	return program, os.Rename(filepath.Join(fresh, "versitygw"), program)
}

// repository is the folder above this one that has the go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no go.mod above the working directory")
		}
		dir = parent
	}
}

// launch runs an S3 server without buckets until the test ends, and returns
// what reaches it: a socket in a folder of its own, so no other server can be
// meant. Without the program the test is skipped, or fails when
// ANB_TEST_REQUIRE=1.
func launch(t *testing.T) http.RoundTripper {
	t.Helper()
	program, err := Install(t.Context())
	if err != nil && os.Getenv("ANB_TEST_REQUIRE") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "s3-") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	data, meta, users, socket := filepath.Join(dir, "data"), filepath.Join(dir, "meta"), filepath.Join(dir, "users"), filepath.Join(dir, "socket")
	for _, folder := range []string{data, meta, users} {
		require.NoError(t, os.Mkdir(folder, 0o700))
	}
	cmd := exec.Command(program, "--port", socket, "--health", "/health", "--keep-alive", "--quiet", "--iam-dir", users, "posix", "--sidecar", meta, data)
	said := &strings.Builder{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.Env = []string{"HOME=" + dir, "ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey}
	exited := run(t, cmd)
	transport := &http.Transport{
		DisableCompression: true, // the answer passes as it is
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	require.Eventually(t, func() bool {
		select {
		case <-exited:
			return true
		default:
		}
		res, err := (&http.Client{Transport: transport}).Get("http://s3/health")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	}, 30*time.Second, 10*time.Millisecond, "the S3 server does not answer")
	select {
	case <-exited:
		require.Fail(t, "the S3 server has ended", said.String())
	default:
	}
	return transport
}

// run starts cmd and returns what is closed at its end, which comes with the
// test, or with the test's process.
func run(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ends is the test's doing
		}
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-exited
	})
	return exited
}
