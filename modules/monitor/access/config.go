package access

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"anb/platform/httpserver"
)

// The life of a session, at least and at most.
const (
	minSession = time.Minute
	maxSession = 30 * 24 * time.Hour
)

// Config says where the dashboard is and who may do what on it.
type Config struct {
	Addr           string        `mapstructure:"addr"`            // host:port
	Users          string        `mapstructure:"users"`           // name:role:hash, one a line; a secret
	AdminPassword  string        `mapstructure:"admin_password"`  // of a user admin; empty: none; a secret
	Tokens         string        `mapstructure:"tokens"`          // name:role:digest, one a line; a secret
	SessionTTL     time.Duration `mapstructure:"session_ttl"`     // how long a sign-in lasts
	AllowedHosts   []string      `mapstructure:"allowed_hosts"`   // names it answers to beside those of the machine itself
	TrustedProxies []string      `mapstructure:"trusted_proxies"` // whose X-Forwarded-… is believed
}

// Validate reports every problem at once, and never a secret.
func (c Config) Validate() error {
	var errs []error
	add := func(key, variable string, err error) {
		for problem := range problems(err) {
			errs = append(errs, fmt.Errorf("monitor.%s %s (ANB_MONITOR_%s)", key, problem, variable))
		}
	}
	add("addr", "ADDR", c.checkAddr())
	users, err := parseEntries(c.Users, checkHash)
	add("users", "USERS", err)
	tokens, err := parseEntries(c.Tokens, checkDigest)
	add("tokens", "TOKENS", err)
	add("users", "USERS", once(users, tokens, c.AdminPassword != ""))
	if c.AdminPassword != "" {
		add("admin_password", "ADMIN_PASSWORD", CheckPassword(adminName, c.AdminPassword))
	}
	if c.SessionTTL < minSession || c.SessionTTL > maxSession {
		add("session_ttl", "SESSION_TTL", errors.New("must be from 1m to 720h"))
	}
	for _, host := range c.AllowedHosts {
		if !goodHost(host) {
			add("allowed_hosts", "ALLOWED_HOSTS", fmt.Errorf("holds %q, which is neither a name nor an address, without a port", host))
		}
	}
	if _, err := httpserver.ParseProxies(c.TrustedProxies); err != nil {
		add("trusted_proxies", "TRUSTED_PROXIES", fmt.Errorf("holds %w", err))
	}
	return errors.Join(errs...)
}

// Open tells whether there are no credentials, so that everybody who reaches
// the dashboard is its administrator.
func (c Config) Open() bool {
	return c.AdminPassword == "" && blank(c.Users) && blank(c.Tokens)
}

// Loopback tells whether only the machine itself reaches the dashboard.
func (c Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	return err == nil && loopback(host)
}

const remedy = `set ANB_MONITOR_ADMIN_PASSWORD_FILE, or make a user with "anb monitor hash-password"`

func (c Config) checkAddr() error {
	_, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is not host:port", c.Addr)
	case c.Open() && !c.Loopback():
		return fmt.Errorf("%q can be reached from elsewhere and nobody has to sign in: %s", c.Addr, remedy)
	case c.Open() && len(c.TrustedProxies) > 0:
		return fmt.Errorf("%q is behind a proxy and nobody has to sign in: %s", c.Addr, remedy)
	}
	return nil
}

// loopback tells whether host is the machine itself. Names other than localhost
// are not asked for: they may mean something else tomorrow.
func loopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func goodHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	})
}

// once says which names come more than once, without regard to case: what is
// done under a name must be one person's.
func once(users, tokens []entry, admin bool) error {
	seen := map[string]bool{}
	if admin {
		seen[adminName] = true
	}
	var errs []error
	for _, e := range append(append([]entry{}, users...), tokens...) {
		key := strings.ToLower(e.name)
		if seen[key] && goodName.MatchString(e.name) {
			errs = append(errs, fmt.Errorf("and tokens have the name %s more than once, or with monitor.admin_password", e.name))
		}
		seen[key] = true
	}
	return errors.Join(errs...)
}

// blank tells whether text has no entry.
func blank(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// problems are the lines of err; none when it is nil.
func problems(err error) func(yield func(string) bool) {
	if err == nil {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(err.Error(), "\n")
}
