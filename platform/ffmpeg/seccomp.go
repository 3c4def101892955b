package ffmpeg

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deniedCalls fail with EPERM: what would reach the network or other
// processes, or widen what can be attacked in the kernel. It is a list of what
// is denied, since a list of what is allowed would have to follow every
// version of ffmpeg, of its libraries and of the drivers.
func deniedCalls() []uint32 {
	return []uint32{
		unix.SYS_SOCKET, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, // io_uring opens sockets too
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_SETSID, // to leave the process group
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_MOUNT_SETATTR,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_SWAPON, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	}
}

// newNamespaces are the flags of clone that make namespaces.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// seccompOffered reports whether the kernel filters calls and we know this
// machine's.
func seccompOffered() bool {
	if auditArch == 0 {
		return false
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// Where the fields of the kernel's struct seccomp_data are. Only the lower
// half of an argument is looked at, on little-endian machines.
const (
	callOffset     = 0
	archOffset     = 4
	argumentOffset = 16
)

// callFilter is the program that the kernel runs for each call.
func callFilter(arch uint32) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		anyBit = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K

		x32 = 0x40000000 // marks calls of the x32 interface, which have numbers of their own
	)
	deny := func(errno unix.Errno) unix.SockFilter {
		return unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(errno)}
	}
	// Each test but the first is followed by its denial, which it jumps over
	// when it does not hold.
	program := []unix.SockFilter{
		{Code: load, K: archOffset},
		{Code: equal, K: arch, Jt: 1}, // else a call of another machine's interface
		deny(unix.EPERM),
		{Code: load, K: callOffset},
		{Code: above, K: x32, Jf: 1},
		deny(unix.EPERM),
		// Its flags are out of a filter's sight; libraries then use clone.
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		deny(unix.ENOSYS),
	}
	for _, call := range deniedCalls() {
		program = append(program, unix.SockFilter{Code: equal, K: call, Jf: 1}, deny(unix.EPERM))
	}
	return append(program,
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE, Jf: 3},
		unix.SockFilter{Code: load, K: argumentOffset},
		unix.SockFilter{Code: anyBit, K: newNamespaces, Jf: 1},
		deny(unix.EPERM),
		unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	)
}

// restrictCalls puts the filter on the calling thread. SPEC_ALLOW keeps older
// kernels from slowing the child down against attacks that a program without
// secrets need not fear.
func restrictCalls() error {
	filter := callFilter(auditArch)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // some ninety
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return errno
	}
	return nil
}
