package database_test

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
)

// cutting says when a proxy breaks a connection; never swallows the message.
type cutting string

const (
	beforeForwarding cutting = "before the server got it"
	afterForwarding  cutting = "after the server did it"
	never            cutting = "never: no answer comes"
)

// proxy stands before a PostgreSQL server and breaks connections when told.
type proxy struct {
	server string // its socket
	mu     sync.Mutex
	word   []byte
	when   cutting
	times  int
	frozen bool
}

// freeze makes p swallow all that clients send, or pass it on again; what was
// swallowed is never answered.
func (p *proxy) freeze(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = on
}

// throughProxy opens a database through a proxy, with a query timeout.
func throughProxy(t *testing.T, timeout time.Duration) (*proxy, *database.DB) {
	t.Helper()
	u, err := url.Parse(dbtest.PostgresURL(t, false))
	require.NoError(t, err)
	const socket = ".s.PGSQL.5432"
	p := &proxy{server: filepath.Join(u.Query().Get("host"), socket)}
	dir, err := os.MkdirTemp("", "anb-px-") // short: a socket's path may have 107 bytes
	require.NoError(t, err)
	ln, err := net.Listen("unix", filepath.Join(dir, socket))
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { // after the database is closed, and so its connections
		require.NoError(t, ln.Close())
		wg.Wait()
		require.NoError(t, os.RemoveAll(dir))
	})
	q := u.Query()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return p, open(t, u.String(), timeout)
}

// cut makes p break the next connections on which the client sends word.
func (p *proxy) cut(word string, when cutting, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.word, p.when, p.times = []byte(word), when, times
}

// due reports whether message is to be cut.
func (p *proxy) due(message []byte) (cutting, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen {
		return never, true
	}
	if len(p.word) == 0 || !bytes.Contains(message, p.word) {
		return "", false
	}
	if p.times--; p.times == 0 {
		p.word = nil
	}
	return p.when, true
}

func (p *proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("unix", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	answers := make(chan []byte)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(answers)
		for {
			b := make([]byte, 64<<10)
			n, err := server.Read(b)
			if err != nil {
				return
			}
			select {
			case answers <- b[:n]:
			case <-done:
				return
			}
		}
	}()
	requests := make(chan []byte)
	go func() {
		defer close(requests)
		for {
			b := make([]byte, 64<<10)
			n, err := client.Read(b)
			if err != nil {
				return
			}
			select {
			case requests <- b[:n]:
			case <-done:
				return
			}
		}
	}()
	for {
		select {
		case b, ok := <-answers:
			if !ok {
				return
			}
			if _, err := client.Write(b); err != nil {
				return
			}
		case b, ok := <-requests:
			if !ok {
				return
			}
			when, cut := p.due(b)
			if cut && when == never {
				continue
			}
			if cut && when == beforeForwarding {
				return
			}
			if _, err := server.Write(b); err != nil {
				return
			}
			if cut {
				<-answers // it is done; the client never hears of it
				return
			}
		}
	}
}
