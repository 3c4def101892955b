package logging

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/DeRuina/timberjack"
)

// What a folder of logs holds at most of one process, and for how long of one
// that is no more.
const (
	fileMiB  = 10 // then it is put aside under a name with the time
	oldFiles = 5  // of those
	fileMode = 0o640
	keepFor  = 14 * 24 * time.Hour // since the last line
)

const (
	// queued is how many lines wait for the folder; more are on stderr alone.
	queued = 1024
	// closePatience is how long Close waits for them.
	closePatience = 2 * time.Second
)

// folder appends lines to a file in a folder of logs. Who writes never waits:
// lines are taken by a goroutine, and what the folder does not take in time, or
// at all, is on stderr alone, where one warning tells of it.
type folder struct {
	path    string
	out     io.WriteCloser
	warn    *slog.Logger // stderr alone
	lines   chan []byte
	stop    chan struct{}
	stopped chan struct{}

	lost    atomic.Int64 // lines, since the folder was last written
	failing bool         // only the goroutine knows
}

// openFolder begins a file for a process of role on host; nothing fails here.
func openFolder(dir, role, host string, warn *slog.Logger) *folder {
	path := filepath.Join(dir, fileName(role, host))
	f := &folder{
		path: path, warn: warn, lines: make(chan []byte, queued), stop: make(chan struct{}), stopped: make(chan struct{}),
		out: &timberjack.Logger{Filename: path, MaxSize: fileMiB, MaxBackups: oldFiles, FileMode: fileMode},
	}
	go f.run()
	return f
}

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// fileName is anb-<role>-<host>.log, whatever a host is called.
func fileName(role, host string) string {
	host = strings.Trim(unsafeInNames.ReplaceAllString(host, "_"), ".")
	if host == "" {
		host = "unknown"
	}
	return "anb-" + role + "-" + host[:min(len(host), 64)] + ".log"
}

// Write implements io.Writer for one line; it never fails and never waits.
func (f *folder) Write(line []byte) (int, error) {
	select {
	case f.lines <- append([]byte(nil), line...):
	default:
		f.lost.Add(1)
	}
	return len(line), nil
}

// Close writes what waits, for a moment at most. Lines after it are not written.
func (f *folder) Close() {
	close(f.stop)
	select {
	case <-f.stopped:
	case <-time.After(closePatience):
		f.warn.Warn("log folder hangs, its last lines are on stderr alone", slog.String("file", f.path))
	}
}

func (f *folder) run() {
	defer close(f.stopped)
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	f.forget()
	for {
		select {
		case line := <-f.lines:
			f.put(line)
		case <-daily.C:
			f.forget()
		case <-f.stop:
			for {
				select {
				case line := <-f.lines:
					f.put(line)
				default:
					_ = f.out.Close() // what was written is written
					return
				}
			}
		}
	}
}

// put writes a line. The first failure of a row is told, and its end.
func (f *folder) put(line []byte) {
	if f.failing { // a full disk may have taken a part of the last one
		line = append([]byte("\n"), line...)
	}
	_, err := f.out.Write(line)
	switch {
	case err != nil:
		if f.lost.Add(1); !f.failing {
			f.warn.Warn("log folder cannot be written, lines are on stderr alone", slog.String("file", f.path), slog.Any("error", err))
		}
	case f.lost.Load() > 0:
		f.warn.Warn("log folder is written again", slog.String("file", f.path), slog.Int64("lost", f.lost.Swap(0)))
	}
	f.failing = err != nil
}

// oursInFolder are our files, and those put aside: the time and why follow.
var oursInFolder = regexp.MustCompile(`^(anb-(?:serve|work|monitor|dev)-.+?)(?:-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}-[a-z]+)?\.log$`)

// forget removes the files of processes that have written nothing for long: the
// containers are gone, and each had a name of its own. Files of others stay, and
// so do those of a process that lives and has nothing to say.
func (f *folder) forget() {
	now := time.Now()
	_ = os.Chtimes(f.path, now, now) // there may be none yet
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the first line tells
	}
	written := map[string]time.Time{strings.TrimSuffix(filepath.Base(f.path), ".log"): now} // by process
	files := map[string]string{}                                                            // to processes
	for _, e := range entries {
		ours := oursInFolder.FindStringSubmatch(e.Name())
		info, err := e.Info()
		if ours == nil || err != nil || !info.Mode().IsRegular() {
			continue
		}
		files[e.Name()] = ours[1]
		if info.ModTime().After(written[ours[1]]) {
			written[ours[1]] = info.ModTime()
		}
	}
	for name, process := range files {
		if now.Sub(written[process]) < keepFor {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.warn.Warn("old log not removed", slog.String("file", name), slog.Any("error", err))
		}
	}
}
