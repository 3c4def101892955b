package taskbus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// OpenRedis makes a client for a redis:// or rediss:// address; characters of
// a password that mean something in an address are percent-encoded. Commands
// obey the deadline of their context and never take longer than 3 s; a
// connection is made within 1 s; at most 16 are open. It waits for no answer:
// a server that is away is not an error here. A command is not repeated, and
// the client's own log lines are off: errors reach the caller. The caller closes
// the client.
//
// An error never shows the address, which may hold a password.
func OpenRedis(_ context.Context, address string) (redis.UniversalClient, error) {
	silenceLibraries()
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return nil, errors.New("redis address: want redis://[user:password@]host[:port][/db] or rediss://…")
	}
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("redis address: %w", err)
	}
	o.ContextTimeoutEnabled = true
	o.DialTimeout = time.Second
	o.DialerRetries = 1
	o.ReadTimeout = 3 * time.Second // more than a pop blocks
	o.WriteTimeout = 2 * time.Second
	o.PoolTimeout = 2 * time.Second
	o.PoolSize = 16
	o.ConnMaxIdleTime = 5 * time.Minute
	o.MaxRetries = -1 // a repeated pop would hide that the first one's answer was lost
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}
