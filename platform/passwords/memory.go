package passwords

import (
	"sync"
	"time"
)

// memoryRest is how long no hash must have run before its memory goes back.
const memoryRest = 2 * time.Second

// memory gives what hashes used back to the system once none has run for a
// while. Each takes 19 MiB that the runtime would otherwise hold for minutes:
// after a burst of logins 80 MiB in a process that needs less than half of it.
type memory struct {
	mu    sync.Mutex
	users int
	timer *time.Timer
	rest  time.Duration
}

func newMemory(rest time.Duration, free func()) *memory {
	m := &memory{rest: rest}
	m.timer = time.AfterFunc(rest, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.users == 0 {
			free() // holding the lock, so that a hash begins before or after it
		}
	})
	m.timer.Stop() // nothing to free yet
	return m
}

func (m *memory) use() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users++
	m.timer.Stop()
}

func (m *memory) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users == 0 {
		m.timer.Reset(m.rest)
	}
}
