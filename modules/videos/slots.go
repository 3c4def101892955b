package videos

import (
	"sync"

	"github.com/google/uuid"

	"anb/platform/httpserver"
)

// slots bounds the uploads that are received at once: each holds a connection,
// a file and a look of ffprobe. It is safe for concurrent use.
//
// The bounds are of this process, and that is enough. They protect its memory,
// descriptors and disk from one account or from all; with n processes an
// account gets n times as many slots, which no harm comes of, and nothing of
// one process that was killed can keep a player out of another.
type slots struct {
	perPlayer, atOnce int // 0: any number

	mu  sync.Mutex
	all int
	of  map[uuid.UUID]int
}

func newSlots(perPlayer, atOnce int) *slots {
	return &slots{perPlayer: perPlayer, atOnce: atOnce, of: map[uuid.UUID]int{}}
}

// take gives a player a slot, which ends when release is called, once. It fails
// with errPlayerBusy or errUploadsBusy.
func (s *slots) take(player uuid.UUID) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.perPlayer > 0 && s.of[player] >= s.perPlayer:
		return nil, errPlayerBusy
	case s.atOnce > 0 && s.all >= s.atOnce:
		return nil, errUploadsBusy
	}
	s.all++
	s.of[player]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[player]--; s.of[player] == 0 {
			delete(s.of, player)
		}
	}, nil
}

// pace is how slow clients may be.
func (s *service) pace() httpserver.Pace {
	return httpserver.Pace{Read: s.ReadTimeout, Write: s.SendTimeout, MinRate: s.MinRate}
}
