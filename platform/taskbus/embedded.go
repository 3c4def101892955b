package taskbus

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// Embedded is a Redis inside this process, for working without servers. It is
// empty when it starts and forgets everything when it is closed.
type Embedded struct{ server *miniredis.Miniredis }

// StartEmbedded listens on a free port of the loopback address. The caller
// closes it, after the clients.
func StartEmbedded() (*Embedded, error) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // else nothing ever expires
	if err := m.Start(); err != nil {
		return nil, fmt.Errorf("start embedded redis: %w", err)
	}
	return &Embedded{m}, nil
}

// URL is the address for OpenRedis.
func (e *Embedded) URL() string { return "redis://" + e.server.Addr() + "/0" }

// Close ends the server and its connections.
func (e *Embedded) Close() { e.server.Close() }
