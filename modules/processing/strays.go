package processing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"anb/platform/audit"
)

// AuditProcesses reports processes on this machine that work in the folder of
// a worker that is dead: encoders that have outlived it.
func AuditProcesses(workDir string, report audit.Report) error {
	root, err := filepath.Abs(workDir)
	if err != nil {
		return fmt.Errorf("look for stray processes: %w", err)
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil // no worker has run here
	}
	if err != nil {
		return fmt.Errorf("look for stray processes: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if !e.IsDir() || alive(dir) {
			continue
		}
		links, _ := filepath.Glob("/proc/[0-9]*/cwd") // fails for bad patterns only
		for _, link := range links {
			cwd, err := os.Readlink(link)
			if err != nil || (cwd != dir && !strings.HasPrefix(cwd, dir+"/")) {
				continue
			}
			proc := filepath.Dir(link)
			name, _ := os.ReadFile(filepath.Join(proc, "comm")) // gone meanwhile: no name
			report(audit.Finding{
				Check: "process", Subject: filepath.Base(proc) + " (" + strings.TrimSpace(string(name)) + ")",
				Detail: "works in " + dir + " of a worker that is dead",
			})
		}
	}
	return nil
}

// alive reports whether a process holds the lock of a worker's folder. Unlike
// locked it leaves nothing behind.
func alive(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}
