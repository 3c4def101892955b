//go:build e2e

package e2e

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// names is a DNS server that knows one name, api, as Docker's does.
type names struct {
	conn net.PacketConn

	mu    sync.Mutex
	addrs []netip.Addr
}

func newNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &names{conn: conn}
	var serving sync.WaitGroup
	serving.Go(n.serve)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		serving.Wait()
	})
	return n
}

// are makes these the addresses of the API; none: there is no such name.
func (n *names) are(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs = nil
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
}

func (n *names) serve() {
	buf := make([]byte, 512)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer, err := n.answer(buf[:size]); err == nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

func (n *names) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m.Response, m.RCode = true, dnsmessage.RCodeSuccess
	if len(m.Questions) != 1 || m.Questions[0].Name.String() != "api." || len(n.addrs) == 0 {
		m.RCode = dnsmessage.RCodeNameError
		return m.Pack()
	}
	for _, a := range n.addrs {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 600}, // as Docker's says
			Body:   &dnsmessage.AResource{A: a.As4()},
		})
	}
	return m.Pack()
}
