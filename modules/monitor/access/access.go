// Package access says who may do what on the dashboard: users and tokens of the
// configuration, sessions, and what keeps other sites and other machines out.
package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/passwords"
)

// The pages that signing in and out are on; the first is where Require sends
// browsers.
const (
	loginPath  = "/login"
	logoutPath = "/logout"
)

// How passwords are checked: a second one at once, and a short wait.
const (
	hashParallel = 2
	hashWait     = 5 * time.Second
)

// adminSalt is the salt of monitor.admin_password's hash: always the same, so
// that its sessions outlive a restart. The hash is kept in memory only; what the
// database has is a digest of it, which costs whoever guesses as much.
const adminSalt = "anb monitor admin password"

// Deps are what a Guard needs; all but Origins are required.
type Deps struct {
	DB      *database.DB
	Config  Config
	Origins []string         // scheme://host[:port] that pages may show pictures and videos of
	Now     func() time.Time // time.Now in production
	Log     *slog.Logger
}

// Guard decides who may do what. It is safe for concurrent use.
type Guard struct {
	store    store
	log      *slog.Logger
	now      func() time.Time
	open     bool // nobody has to sign in
	loopback bool
	ttl      time.Duration
	hosts    map[string]bool
	proxies  httpserver.Proxies
	address  echo.IPExtractor
	policy   string // of content, as pages are answered with
	origin   *http.CrossOriginProtection

	users    map[string]entry
	order    []entry          // the users, to choose one by number
	tokens   map[string]entry // by digest
	hashes   *passwords.Hasher
	key      []byte // of digests that only this process can make
	proven   *proven
	sessions *sessions
	throttle *throttle
}

// New makes a Guard; it fails when a dependency is missing or the configuration
// is not valid.
func New(d Deps) (*Guard, error) {
	if d.DB == nil || d.Now == nil || d.Log == nil {
		return nil, errors.New("access: a dependency is missing")
	}
	if err := d.Config.Validate(); err != nil {
		return nil, err
	}
	policy, err := contentPolicy(d.Origins)
	if err != nil {
		return nil, err
	}
	c := d.Config
	proxies, err := httpserver.ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("monitor.trusted_proxies holds %w", err)
	}
	g := &Guard{
		store: store{d.DB}, log: d.Log, now: d.Now, open: c.Open(), loopback: c.Loopback(), ttl: c.SessionTTL,
		hosts: map[string]bool{}, proxies: proxies, address: proxies.ClientAddress(), policy: policy,
		origin: http.NewCrossOriginProtection(), users: map[string]entry{}, tokens: map[string]entry{},
		hashes: passwords.New(passwords.Config{Cost: passwords.Standard(), Parallel: hashParallel, Wait: hashWait}),
		key:    make([]byte, 32), proven: newProven(d.Now), sessions: newSessions(d.Now), throttle: newThrottle(d.Now),
	}
	_, _ = rand.Read(g.key) // never fails
	for _, host := range c.AllowedHosts {
		g.hosts[canonical(host)] = true
	}
	return g, g.enrol(c)
}

// enrol takes the users and tokens of c.
func (g *Guard) enrol(c Config) error {
	users, err := parseEntries(c.Users, checkHash)
	if err != nil {
		return fmt.Errorf("read monitor.users: %w", err)
	}
	if c.AdminPassword != "" {
		users = append(users, entry{adminName, Admin, passwords.Standard().Hash(c.AdminPassword, []byte(adminSalt))})
	}
	for _, e := range users {
		g.users[e.name] = e
	}
	g.order = users
	tokens, err := parseEntries(c.Tokens, checkDigest)
	if err != nil {
		return fmt.Errorf("read monitor.tokens: %w", err)
	}
	for _, e := range tokens {
		g.tokens[e.proof] = e
	}
	return nil
}

// Open tells whether nobody has to sign in: a laptop without users.
func (g *Guard) Open() bool { return g.open }

// contentPolicy is the Content-Security-Policy of pages that show pictures and
// videos of origins beside their own.
func contentPolicy(origins []string) (string, error) {
	media := "'self' data:"
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || o != u.Scheme+"://"+u.Host || !goodHost(u.Hostname()) {
			return "", fmt.Errorf("%q is not an origin such as https://files.example", o)
		}
		media += " " + o
	}
	return "default-src 'self'; img-src " + media + "; media-src " + media +
		"; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'", nil
}
