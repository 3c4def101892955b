package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Config says where alerts go.
type Config struct {
	URLs   []string `mapstructure:"urls"`   // http or https; private addresses too: the operator chose them
	Secret string   `mapstructure:"secret"` // signs them
}

// Validate says everything that is wrong. It repeats no URL, which may have a
// password in it.
func (c Config) Validate() error {
	var errs []error
	for i, s := range c.URLs {
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
			errs = append(errs, fmt.Errorf("webhook url %d is no http or https address", i+1))
		}
	}
	if len(c.URLs) > 0 && len(c.Secret) < 32 {
		errs = append(errs, errors.New("the webhooks' secret needs at least 32 bytes"))
	}
	return errors.Join(errs...)
}

// Deps is what a Sender needs.
type Deps struct {
	Config
	Now   func() time.Time                       // time.Now in production
	After func(d time.Duration) <-chan time.Time // time.After in production
	Log   *slog.Logger
}

const (
	tries   = 8
	timeout = 10 * time.Second // of one try
	grace   = 2 * time.Second  // for a try that is under way when the role stops
	waiting = 64               // alerts of one URL in memory
)

// Sender posts alerts, to each URL in their order. Alerts are in memory alone:
// one that lasts is told again by its reminder. It is safe for concurrent use.
type Sender struct {
	Deps
	client  *http.Client
	timeout time.Duration
	jitter  func() float64 // 0 to 1
	targets []*target
}

// target is one URL and the deliveries that wait for it, the first one first.
type target struct {
	url  string
	host string // for logs: the rest of a URL may be a secret
	wake chan struct{}

	mu    sync.Mutex
	queue []delivery
}

type delivery struct {
	id   uuid.UUID // the receiver's means to tell a repeated one
	kind Kind
	body []byte
}

// NewSender wires a Sender; it fails when something is missing or wrong.
func NewSender(d Deps) (*Sender, error) {
	if d.Now == nil || d.After == nil || d.Log == nil {
		return nil, errors.New("webhook: a dependency is missing")
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	s := &Sender{Deps: d, timeout: timeout, jitter: rand.Float64, client: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		// What another server wants to have is not what the operator wrote down.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, raw := range d.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, errors.New("webhook: an url cannot be read")
		}
		s.targets = append(s.targets, &target{url: raw, host: u.Host, wake: make(chan struct{}, 1)})
	}
	return s, nil
}

// Send takes an alert for every URL and returns at once. When too many wait for a
// URL its oldest one is given up.
func (s *Sender) Send(ctx context.Context, a Alert) error {
	body, err := encode(a)
	if err != nil {
		return fmt.Errorf("encode alert %s: %w", a.ID(), err)
	}
	for _, t := range s.targets {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("name delivery of alert %s: %w", a.ID(), err)
		}
		if lost, full := t.push(delivery{id, a.Kind, body}); full {
			s.Log.WarnContext(ctx, "alert not delivered, too many wait", t.attrs(lost)...)
		}
	}
	return nil
}

func (t *target) attrs(d delivery) []any {
	return []any{slog.String("host", t.host), slog.String("delivery_id", d.id.String()), slog.String("alert", string(d.kind))}
}

func (t *target) push(d delivery) (lost delivery, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == waiting {
		lost, full = t.queue[0], true
		t.queue = t.queue[1:]
	}
	t.queue = append(t.queue, d)
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
	return lost, full
}

func (t *target) pop() (delivery, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return delivery{}, false
	}
	d := t.queue[0]
	t.queue = t.queue[1:]
	return d, true
}

// Run delivers until ctx ends. Then it waits for tries that are under way, two
// seconds at most, and drops the rest.
func (s *Sender) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	var all sync.WaitGroup
	for _, t := range s.targets {
		all.Go(func() { s.serve(ctx, t) })
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

func (s *Sender) serve(ctx context.Context, t *target) {
	for ctx.Err() == nil {
		d, ok := t.pop()
		if ok {
			s.deliver(ctx, t, d)
			continue
		}
		select {
		case <-ctx.Done():
		case <-t.wake:
		}
	}
	for d, ok := t.pop(); ok; d, ok = t.pop() {
		s.Log.WarnContext(ctx, "alert not delivered, stopping", t.attrs(d)...)
	}
}
