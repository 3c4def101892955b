package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listen listens on a host:port in the way that HTTP can stop best: with plain
// TCP, for the kernel filters nothing for the multipath kind, Go's usual one.
func Listen(ctx context.Context, addr string) (*net.TCPListener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	ln, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

const (
	quietTick = 50 * time.Millisecond // twice is enough for handshakes that are under way
	quietMost = time.Second           // for the server to accept everybody
)

// quiet has the kernel ignore whoever begins to connect to ln from now on, and
// returns when the server has accepted all who did before. Closing the listener
// would reset those, and no proxy may repeat a POST that was reset. Whoever is
// ignored tries again a second later, is refused, and turns to another server.
//
// It fails when ln does not show its socket or the kernel cannot do that.
func quiet(ctx context.Context, ln net.Listener) error {
	shown, ok := ln.(syscall.Conn)
	if !ok {
		return errors.New("the listener hides its socket")
	}
	socket, err := shown.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the listener's socket: %w", err)
	}
	var ignored error
	if err := socket.Control(func(fd uintptr) { ignored = ignoreNew(int(fd)) }); err != nil || ignored != nil {
		return fmt.Errorf("ignore new connections: %w", errors.Join(err, ignored))
	}
	ctx, cancel := context.WithTimeout(ctx, quietMost)
	defer cancel()
	tick := time.NewTicker(quietTick)
	defer tick.Stop()
	for empty := 0; empty < 2; { // whom the server has just accepted it does not count at once
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		waiting := 0
		err := socket.Control(func(fd uintptr) {
			waiting, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // a descriptor
		})
		if err != nil {
			return nil //nolint:nilerr // it is closed already
		}
		if empty++; waiting > 0 {
			empty = 0
		}
	}
	return nil
}

// ignoreNew attaches a filter to a listening socket that drops packets that
// begin a connection.
func ignoreNew(fd int) error {
	const flags, syn = 13, 2 // where TCP's header has its flags, and the one that begins
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}
