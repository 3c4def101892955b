package ffmpeg

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// confinement is what this kernel offers to hold a child by, whatever code
// runs in it: Landlock for files, TCP and signals, seccomp for other sockets
// and for what no encoder asks of a kernel. The zero value offers nothing.
type confinement struct {
	landlock int    // version of the interface; 0: none
	scoped   uint64 // what Landlock keeps inside the child: signals, abstract sockets
	seccomp  bool
	system   []place // what every program may use
}

// place is a file, or a folder with all below it, and what may be done there.
type place struct {
	path   string
	access uint64 // Landlock's rights
}

// offered asks the kernel.
func offered() confinement {
	version, scoped := landlockVersion()
	return confinement{landlock: version, scoped: scoped, seccomp: seccompOffered(), system: systemPlaces()}
}

// whole reports whether nothing is missing.
func (c confinement) whole() bool { return c.landlock >= landlockTCP && c.seccomp }

// String names what is in force, for operators: "landlock 7, seccomp".
func (c confinement) String() string {
	parts := []string{"no landlock", "no seccomp"}
	if c.landlock > 0 {
		parts[0] = fmt.Sprintf("landlock %d", c.landlock)
	}
	if c.seccomp {
		parts[1] = "seccomp"
	}
	return strings.Join(parts, ", ")
}

// confine restricts the calling thread, and what it starts, for good. The
// goroutine must have locked its thread and never unlock it; afterwards it can
// open what the child may, and no more.
func (c confinement) confine(places []place) error {
	// Also what makes the other two possible without privilege.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if c.landlock > 0 {
		if err := c.restrictFiles(append(places, c.system...)); err != nil {
			return err
		}
	}
	if c.seccomp {
		if err := restrictCalls(); err != nil {
			return fmt.Errorf("restrict system calls: %w", err)
		}
	}
	return nil
}

// places are those that only this job may use.
func (j job) places() []place {
	places := []place{{j.program, mayRun}}
	program, err := filepath.EvalSymlinks(j.program)
	if prefix, ok := strings.CutSuffix(filepath.Dir(program), "/bin"); ok && err == nil { // /opt/ffmpeg/bin and its libraries
		places = append(places, place{prefix + "/lib", mayRun}, place{prefix + "/lib64", mayRun})
	}
	for _, path := range j.reads {
		if !filepath.IsAbs(path) {
			path = filepath.Join(j.workingDir(), path)
		}
		places = append(places, place{path, mayRead})
	}
	if j.dir != "" {
		places = append(places, place{j.dir, mayKeepFiles})
	}
	return places
}

// systemPlaces are programs, libraries and harmless devices, and the devices
// of hardware encoders where there are any. Nothing of /proc: the environment
// of a process of the same user may hold secrets.
func systemPlaces() []place {
	places := []place{{"/dev/null", mayRead | mayWrite}, {"/dev/zero", mayRead}, {"/dev/urandom", mayRead}, {"/dev/random", mayRead}}
	for _, path := range []string{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store"} {
		places = append(places, place{path, mayRun})
	}
	for _, path := range append(existing("/etc/ld-musl-*.path"), "/etc/ld.so.cache", "/etc/ld.so.preload") {
		places = append(places, place{path, mayRead})
	}
	devices := append(existing("/dev/dri"), existing("/dev/nvidia*")...)
	for _, path := range devices {
		places = append(places, place{path, mayRead | mayWrite | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV})
	}
	if len(devices) > 0 { // their drivers' libraries look there
		places = append(places, place{"/sys", mayRead}, place{"/proc/driver/nvidia", mayRead})
	}
	return places
}

// existing returns the files that match.
func existing(pattern string) []string {
	paths, _ := filepath.Glob(pattern) // fails for bad patterns only
	return paths
}
