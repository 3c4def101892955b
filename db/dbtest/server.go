package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Server is a PostgreSQL server of one test process. It dies with it.
type Server struct {
	dir   string
	admin *sql.DB
	mu    sync.Mutex // one CREATE DATABASE … TEMPLATE at a time
	end   chan os.Signal
	ended chan error
}

// binary finds a program of PostgreSQL, on the path or where Debian keeps it.
func binary(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", fmt.Errorf("%s not found: install postgresql", name)
	}
	return found[len(found)-1], nil
}

// Start makes a cluster in a temporary folder and starts a server on it that
// listens on a socket in that folder only. It is as fast as it can be, and so
// not safe against a power cut.
func Start() (*Server, error) {
	sweep()
	// Not t.TempDir: a socket's path may have 107 bytes.
	dir, err := os.MkdirTemp("", "anb-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, end: make(chan os.Signal, 1), ended: make(chan error, 1)}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// sweep removes what test processes left that were killed: folders whose
// server has ended. A young folder may be one whose server is yet to start.
func sweep() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), "anb-pg-*"))
	for _, f := range folders {
		info, err := os.Stat(f)
		if err != nil || time.Since(info.ModTime()) < 10*time.Minute {
			continue
		}
		pid, _, _ := strings.Cut(readAll(filepath.Join(f, "data", "postmaster.pid")), "\n")
		if _, err := os.Stat("/proc/" + pid); pid == "" || err != nil {
			_ = os.RemoveAll(f) // someone else's, if it fails
		}
	}
}

func readAll(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

func (s *Server) start() error {
	initdb, err := binary("initdb")
	if err != nil {
		return err
	}
	postgres, err := binary("postgres")
	if err != nil {
		return err
	}
	credential, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	init := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	init.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	init.Dir = s.dir
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	var log bytes.Buffer
	cmd := exec.Command(postgres, "-D", data, "-k", s.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off",
		"-c", "max_connections=300", "-c", "shared_buffers=64MB", "-c", "timezone=America/Bogota")
	cmd.Dir = s.dir
	cmd.Stderr = &log
	// Fast shutdown when this process dies, however it does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGINT}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		close(started)
		go func() {
			if sig, ok := <-s.end; ok {
				_ = cmd.Process.Signal(sig)
			}
		}()
		s.ended <- cmd.Wait()
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if s.admin, err = sql.Open("pgx", s.URL("postgres")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = s.admin.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case e := <-s.ended:
			return fmt.Errorf("postgres ended: %w: %s", e, log.String())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// unprivileged returns whom to run PostgreSQL as: it refuses root.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// URL returns the address of the database of that name.
func (s *Server) URL(name string) string {
	return "postgres:///" + name + "?host=" + s.dir + "&user=postgres"
}

func (s *Server) exec(statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.admin.Exec(statement)
	return err
}

// Stop ends the server, waits for it, and removes its files.
func (s *Server) Stop() error {
	err := s.admin.Close()
	s.end <- syscall.SIGINT
	<-s.ended
	return errors.Join(err, os.RemoveAll(s.dir))
}
