package ffmpegtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Canary listens on a TCP and a UDP port of this machine and remembers who
// came. It answers nobody.
type Canary struct {
	TCP, UDP string // host:port

	mu    sync.Mutex
	heard []string
	known chan string // the sentinels that arrived
}

// NewCanary listens until the test ends.
func NewCanary(tb testing.TB) *Canary {
	tb.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed below
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // closed below
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	c := &Canary{TCP: tcp.Addr().String(), UDP: udp.LocalAddr().String(), known: make(chan string, 2)}
	var wg sync.WaitGroup
	wg.Go(func() { c.accept(tcp) })
	wg.Go(func() { c.receive(udp) })
	tb.Cleanup(func() {
		_ = tcp.Close()
		_ = udp.Close()
		wg.Wait()
	})
	return c
}

const sentinel = "sentinel"

func (c *Canary) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 512)
		n, _ := conn.Read(buf)
		_ = conn.Close()
		c.note("tcp", buf[:n])
	}
}

func (c *Canary) receive(p net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, _, err := p.ReadFrom(buf)
		if err != nil {
			return
		}
		c.note("udp", buf[:n])
	}
}

func (c *Canary) note(kind string, data []byte) {
	if string(data) == sentinel {
		c.known <- kind
		return
	}
	first, _, _ := bytes.Cut(data, []byte("\r\n"))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, fmt.Sprintf("%s %.40q", kind, first))
}

// Heard returns what came in until now: a sentinel is sent behind it, on both
// ports, and waited for.
func (c *Canary) Heard(tb testing.TB) []string {
	tb.Helper()
	for kind, addr := range map[string]string{"tcp": c.TCP, "udp": c.UDP} {
		conn, err := net.Dial(kind, addr) //nolint:noctx // of this machine
		if err != nil {
			tb.Fatalf("visit canary: %v", err)
		}
		if _, err := conn.Write([]byte(sentinel)); err != nil {
			tb.Fatalf("visit canary: %v", err)
		}
		<-c.known
		_ = conn.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.heard...)
}

// Watch remembers what is opened or read in a folder, by anyone, from now on.
type Watch struct{ fd int }

// NewWatch watches dir, not what is below its folders, until the test ends.
func NewWatch(tb testing.TB, dir string) *Watch {
	tb.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		tb.Fatalf("watch folder: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN|unix.IN_ACCESS); err != nil {
		tb.Fatalf("watch folder: %v", err)
	}
	return &Watch{fd}
}

// Opened returns the names seen since the last call; "" is the folder itself.
func (w *Watch) Opened(tb testing.TB) []string {
	tb.Helper()
	var names []string
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		if err == unix.EAGAIN { //nolint:errorlint // straight from the kernel
			return names
		}
		if err != nil {
			tb.Fatalf("read watch: %v", err)
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := unix.SizeofInotifyEvent + int(event.Len)
			names = append(names, string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:end], "\x00")))
			rest = rest[end:]
		}
	}
}

// Snapshot lists all below dir with size and time of the last change.
func Snapshot(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		files[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		tb.Fatalf("list %s: %v", dir, err)
	}
	return files
}
