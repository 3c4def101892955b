package access

import (
	"net/netip"
	"sync"
	"time"
)

// How many wrong passwords are free, and how long the next one waits then: the
// first delay, doubled each time.
const (
	freePerAccount = 5  // of one account, from one address
	freePerAddress = 20 // of one address, which an office may share
	firstDelay     = 5 * time.Second
	longestDelay   = 15 * time.Minute
	forgetAfter    = time.Hour // since the last one
	maxTries       = 10_000    // counted at once
)

// throttle counts wrong passwords. It knows no count of an account alone:
// nobody can lock somebody else out from another address. What is counted is the
// attempt when it begins, so that many at once are not more than many in a row.
// It is safe for concurrent use.
type throttle struct {
	now func() time.Time
	mu  sync.Mutex
	all map[tryKey]*tries
}

// tryKey is an address, with an account or alone.
type tryKey struct{ account, address string }

type tries struct {
	count int
	last  time.Time
	until time.Time // when the next may begin
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, all: map[tryKey]*tries{}}
}

// attempt is one password being checked. Unless it succeeds or is cancelled it
// stays counted as wrong.
type attempt struct {
	throttle *throttle
	account  tryKey
	address  tryKey
}

// begin counts an attempt, or says how long to wait before it.
func (t *throttle) begin(account, address string) (attempt, time.Duration) {
	a := attempt{t, tryKey{account[:min(len(account), 64)] + ":", network(address)}, tryKey{"", network(address)}}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	wait := max(t.wait(a.account, now), t.wait(a.address, now))
	if wait > 0 {
		return a, wait
	}
	t.count(a.account, freePerAccount, now)
	t.count(a.address, freePerAddress, now)
	return a, 0
}

func (t *throttle) wait(k tryKey, now time.Time) time.Duration {
	one, ok := t.all[k]
	if !ok {
		return 0
	}
	return one.until.Sub(now)
}

func (t *throttle) count(k tryKey, free int, now time.Time) {
	one, ok := t.all[k]
	if !ok || now.Sub(one.last) > forgetAfter {
		t.makeRoom(now)
		one = &tries{}
		t.all[k] = one
	}
	one.count++
	one.last = now
	if over := one.count - free; over >= 0 {
		one.until = now.Add(min(firstDelay<<min(over, 10), longestDelay))
	}
}

// makeRoom forgets what was counted longest ago when there is too much.
func (t *throttle) makeRoom(now time.Time) {
	for age := forgetAfter; len(t.all) >= maxTries; age /= 2 {
		for k, one := range t.all {
			if now.Sub(one.last) >= age {
				delete(t.all, k)
			}
		}
		if age == 0 {
			clear(t.all) // a clock that went back
		}
	}
}

// succeed forgets what was wrong before about this account from this address;
// the address's other failures stay.
func (a attempt) succeed() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	delete(a.throttle.all, a.account)
	a.throttle.uncount(a.address, freePerAddress)
}

// cancel takes the attempt back: its password was not looked at.
func (a attempt) cancel() {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	a.throttle.uncount(a.account, freePerAccount)
	a.throttle.uncount(a.address, freePerAddress)
}

func (t *throttle) uncount(k tryKey, free int) {
	one, ok := t.all[k]
	if !ok {
		return
	}
	if one.count--; one.count < free {
		one.until = time.Time{}
	}
}

// network is what of an address one client surely has: an IPv6 client has a
// whole /64.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
