package access

import (
	"context"
	"errors"
	"sync"
	"time"

	"anb/platform/fault"
)

const (
	// trustFor is how long a session is believed in while the database, which
	// knows better, is away.
	trustFor = 5 * time.Minute
	// askAgain is how long a database that was away is not asked: each question
	// may wait for its whole timeout.
	askAgain = 2 * time.Second
	// maxKnown is how many sessions are remembered.
	maxKnown = 1024
)

// Session is a sign-in that lasts.
type Session struct {
	ID        string // as in Principal.Session; not the cookie's value
	Name      string
	Role      Role
	CreatedAt time.Time
	ExpiresAt time.Time
}

// sessions remembers which sessions the database knew lately. It is safe for
// concurrent use.
type sessions struct {
	now  func() time.Time
	mu   sync.Mutex
	all  map[string]known
	away time.Time // until when the database is not asked
}

type known struct {
	row sessionRow
	at  time.Time // when the database knew it
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]known{}}
}

func (s *sessions) put(r sessionRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxKnown {
		clear(s.all) // more than any team has: a rare full sweep is the simplest bound
	}
	s.all[r.ID] = known{r, s.now()}
}

func (s *sessions) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// get returns a session that the database knew lately.
func (s *sessions) get(id string) (sessionRow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.all[id]
	now := s.now()
	return k.row, ok && now.Sub(k.at) < trustFor && now.Before(k.row.ExpiresAt.Time)
}

// failed says that the database is away now.
func (s *sessions) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = s.now().Add(askAgain)
}

// resting tells whether the database was away a moment ago.
func (s *sessions) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Before(s.away)
}

// session returns a live session, from memory while the database is away. It
// fails with fault.ErrUnauthenticated and fault.ErrUnavailable.
func (g *Guard) session(ctx context.Context, id string) (sessionRow, error) {
	if g.sessions.resting() {
		if r, ok := g.sessions.get(id); ok {
			return r, nil
		}
	}
	r, ok, err := g.store.session(ctx, id)
	switch {
	case errors.Is(err, fault.ErrUnavailable) && ctx.Err() == nil:
		g.sessions.failed()
		if r, ok := g.sessions.get(id); ok {
			return r, nil
		}
		return sessionRow{}, err
	case err != nil:
		return sessionRow{}, err
	case !ok:
		g.sessions.drop(id)
		return sessionRow{}, fault.ErrUnauthenticated.Because(errors.New("no such session"))
	}
	g.sessions.put(r)
	return r, nil
}

func (g *Guard) bySession(ctx context.Context, id string) (Principal, error) {
	r, err := g.session(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	e, ok := g.current(r)
	if !ok {
		return Principal{}, fault.ErrUnauthenticated.Because(errors.New("session of a user who changed"))
	}
	return Principal{Name: e.name, Role: e.role, Via: ViaSession, Session: id}, nil
}

// current returns the user of a session, and false when the configuration has
// none who signed in with that password and role.
func (g *Guard) current(r sessionRow) (entry, bool) {
	e, ok := g.users[r.Name]
	return e, ok && e.credential() == r.Credential
}

// Alive fails with fault.ErrUnauthenticated once the session of p has ended,
// for answers that go on for long; who came without one is always alive.
func (g *Guard) Alive(ctx context.Context, p Principal) error {
	if p.Via != ViaSession {
		return nil
	}
	_, err := g.bySession(ctx, p.Session)
	return err
}

// Sessions returns the sessions that are alive, the newest first, at most 500.
func (g *Guard) Sessions(ctx context.Context) ([]Session, error) {
	rows, err := g.store.list(ctx)
	if err != nil {
		return nil, err
	}
	var out []Session
	for _, r := range rows {
		if e, ok := g.current(r); ok {
			out = append(out, Session{r.ID, r.Name, e.role, r.CreatedAt.Time, r.ExpiresAt.Time})
		}
	}
	return out, nil
}

// Revoke ends a session; it fails with ErrSessionNotFound when there is none.
func (g *Guard) Revoke(ctx context.Context, id string) error {
	g.sessions.drop(id)
	ended, err := g.store.end(ctx, id)
	if err == nil && !ended {
		return ErrSessionNotFound
	}
	return err
}

// Sweep deletes expired sessions, a batch at a time. After an error, what was
// deleted before stays deleted.
func (g *Guard) Sweep(ctx context.Context) error {
	for {
		n, err := g.store.sweep(ctx)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
