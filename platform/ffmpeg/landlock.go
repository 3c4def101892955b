package ffmpeg

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What may be done in a place, in Landlock's terms (landlock(7)).
const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayRun   = mayRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	mayWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// mayKeepFiles allows ordinary files, and no links, folders, pipes, sockets
	// or programs.
	mayKeepFiles = mayRead | mayWrite | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE

	// onFiles are the rights that mean something for what is no folder.
	onFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | mayWrite | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// Versions of Landlock that brought what we use; files came with the first.
const (
	landlockRefer     = 2
	landlockTruncate  = 3
	landlockTCP       = 4
	landlockDeviceIO  = 5
	landlockScopes    = 6
	erratumOwnThreads = 1 << 1 // the second: signals between threads of one process pass
)

// landlockVersion returns 0 where there is no Landlock, and what it can scope.
//
// The thread that starts a child is inside the child's domain, and the Go
// runtime signals between threads: without the erratum's cure signals are
// better left alone.
func landlockVersion() (version int, scoped uint64) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, 0
	}
	version = int(n) //nolint:gosec // a small number
	if version >= landlockScopes {
		scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
		if errno == 0 && errata&erratumOwnThreads != 0 {
			scoped |= unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	return version, scoped
}

// handled are the rights that a version can take away. What it cannot stays
// allowed.
func (c confinement) handled() unix.LandlockRulesetAttr {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1, Scoped: c.scoped}
	if c.landlock >= landlockRefer {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if c.landlock >= landlockTruncate {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if c.landlock >= landlockTCP {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if c.landlock >= landlockDeviceIO {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return attr
}

// restrictFiles allows the thread the places and nothing else. Places that do
// not exist are passed over.
func (c confinement) restrictFiles(places []place) error {
	attr := c.handled()
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("make Landlock rules: %w", errno)
	}
	defer unix.Close(int(set)) //nolint:gosec // a file descriptor
	for _, p := range places {
		err := allow(set, p, attr.Handled_access_fs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("allow child a place: %w", err)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("apply Landlock rules: %w", errno)
	}
	return nil
}

func allow(set uintptr, p place, handled uint64) error {
	fd, err := unix.Open(p.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: p.path, Err: err}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: p.path, Err: err}
	}
	access := p.access & handled
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= onFiles
	}
	beneath := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)} //nolint:gosec // a file descriptor
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&beneath)), 0, 0, 0)
	if errno != 0 {
		return &fs.PathError{Op: "allow", Path: p.path, Err: errno}
	}
	return nil
}
