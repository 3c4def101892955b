//go:build e2e

package e2e

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// site is nginx before replicas of the API, which share a database and storage.
type site struct {
	*rig
	front *front
	apis  map[int]*process
}

// newSite starts nginx and two replicas; settings are further variables.
func newSite(t *testing.T, settings ...string) *site {
	t.Helper()
	r := &rig{x: &experiment{T: t}, book: newBook(t), baseline: map[*process]usage{}}
	r.fleet = newFleet(t, binary(t), slices.Concat(quick, settings)...)
	reachable(t, r.dir)
	r.book.http = crowd(t)
	r.stored = func(place string) int { return len(r.files(place)) }
	s := &site{rig: r, front: newFront(t, filepath.Join(r.dir, "processed_videos")), apis: map[int]*process{}}
	s.replica(1)
	s.replica(2)
	s.front.names.are(s.front.replica(1), s.front.replica(2))
	s.front.run(t)
	return s
}

// base is the address of nginx.
func (s *site) base() string { return "http://" + s.front.plain }

// replica starts the API's n-th replica.
func (s *site) replica(n int) {
	s.x.Helper()
	s.apis[n] = s.with("ANB_HTTP_ADDR=" + s.front.replica(n) + ":" + s.front.port).serve()
}

// crowd is a client whose every request comes from another address, so that
// limits do not hold for all of a test together, on a connection of its own: a
// request that meets the end of an idle one fails at any server.
func crowd(t *testing.T) *http.Client {
	t.Helper()
	var n atomic.Uint32
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		i := n.Add(1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 254, byte(i>>8), byte(i))}}
		return d.DialContext(ctx, network, addr)
	}}
	return &http.Client{Transport: tr, Timeout: time.Minute}
}
