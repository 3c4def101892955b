package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
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

// Server is a PostgreSQL server of one test process. It dies with it. Its
// methods are not safe for concurrent use, URL and the making of databases
// excepted.
type Server struct {
	dir     string
	port    int // 0: a socket only
	admin   *sql.DB
	mu      sync.Mutex // one CREATE DATABASE … TEMPLATE at a time
	process *os.Process
	ended   chan error
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
func Start() (*Server, error) { return begin(0) }

// begin makes a cluster and starts its server. With a port the server listens
// on the loopback address too, and keeps what it has acknowledged however it
// ends.
func begin(port int) (*Server, error) {
	sweep()
	// Not t.TempDir: a socket's path may have 107 bytes.
	dir, err := os.MkdirTemp("", "anb-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, port: port}
	err = s.init()
	if err == nil {
		err = s.launch()
	}
	if err == nil {
		s.admin, err = sql.Open("pgx", s.socketURL("postgres"))
	}
	if err == nil {
		err = s.answers()
	}
	if err != nil {
		if s.process != nil {
			s.end(syscall.SIGQUIT)
		}
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

func (s *Server) init() error {
	initdb, err := binary("initdb")
	if err != nil {
		return err
	}
	credential, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	init := exec.Command(initdb, "-D", filepath.Join(s.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	init.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	init.Dir = s.dir
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// launch starts the server on the cluster that is there.
func (s *Server) launch() error {
	postgres, err := binary("postgres")
	if err != nil {
		return err
	}
	credential, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	settings := []string{"max_connections=300", "shared_buffers=64MB", "timezone=America/Bogota"}
	if s.port == 0 {
		settings = append(settings, "listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	} else {
		settings = append(settings, "listen_addresses=127.0.0.1", "port="+strconv.Itoa(s.port))
	}
	args := []string{"-D", filepath.Join(s.dir, "data"), "-k", s.dir}
	for _, v := range settings {
		args = append(args, "-c", v)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(postgres, args...)
	cmd.Dir, cmd.Stderr = s.dir, log
	// Fast shutdown when this process dies, however it does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGINT}
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.process, s.ended = cmd.Process, ended
	return nil
}

// answers waits until the server does, on its own socket: no other can be meant.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case e := <-s.ended:
			s.process = nil
			return fmt.Errorf("postgres ended: %w: %s", e, readAll(filepath.Join(s.dir, "log")))
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// end sends the signal, waits for the end, and returns how it came.
func (s *Server) end(sig os.Signal) error {
	_ = s.process.Signal(sig) // it may have ended
	err := <-s.ended
	s.process = nil
	return err
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

// URL returns the address of the database of that name: by the network if the
// server listens there, else by its socket.
func (s *Server) URL(name string) string {
	if s.port != 0 {
		return "postgres://postgres@" + s.Addr() + "/" + name
	}
	return s.socketURL(name)
}

func (s *Server) socketURL(name string) string {
	u := "postgres:///" + name + "?host=" + s.dir + "&user=postgres"
	if s.port != 0 {
		u += "&port=" + strconv.Itoa(s.port) // is a part of the socket's name
	}
	return u
}

// Addr is host:port of a server that listens on the network.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *Server) exec(statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.admin.Exec(statement)
	return err
}

// Stop ends the server, waits for it, and removes its files.
func (s *Server) Stop() error {
	err := s.admin.Close()
	if s.process != nil {
		_ = s.end(syscall.SIGINT) // it was told to
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
