package httpserver

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// Proxies are the addresses whose X-Forwarded-… headers are believed.
type Proxies []*net.IPNet

// ParseProxies reads addresses and ranges such as 10.0.0.0/8; the error quotes
// the first that is neither.
func ParseProxies(list []string) (Proxies, error) {
	var nets Proxies
	for _, s := range list {
		text := s
		if a, err := netip.ParseAddr(s); err == nil {
			text = netip.PrefixFrom(a, a.BitLen()).String()
		}
		_, n, err := net.ParseCIDR(text)
		if err != nil {
			return nil, fmt.Errorf("%q, which is neither an address nor a range such as 10.0.0.0/8", s)
		}
		nets = append(nets, n)
	}
	return nets, nil
}

// ClientAddress says how a client's address is found: from the connection,
// unless that comes from a trusted proxy, whose X-Forwarded-For is believed as
// far back as it names trusted proxies.
func (p Proxies) ClientAddress() echo.IPExtractor {
	if len(p) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, n := range p {
		trust = append(trust, echo.TrustIPRange(n))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}

// Encrypted tells whether the client's connection is: with us, or, as a trusted
// proxy says, with that.
func (p Proxies) Encrypted(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if !strings.EqualFold(r.Header.Get(echo.HeaderXForwardedProto), "https") {
		return false
	}
	peer := net.ParseIP(Peer(r))
	for _, n := range p {
		if n.Contains(peer) {
			return true
		}
	}
	return false
}

// Peer is the address at the other end of the connection, without the port.
func Peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
