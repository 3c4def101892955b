package taskbus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// deadPayloadBytes is how much of a dead message is kept.
const deadPayloadBytes = 4 << 10

// DeadMessage is a message no handler could be given.
type DeadMessage struct {
	Reason  string    `json:"reason"`  // English, for operators
	At      time.Time `json:"at"`      // when it was set aside
	Worker  string    `json:"worker"`  // which worker did so
	Size    int       `json:"size"`    // bytes, before cutting
	Payload string    `json:"payload"` // the first 4 KiB, valid UTF-8; from anyone: escape it
}

// Dead returns the newest dead messages of queue, at most limit (1 to 100).
func (b *Bus) Dead(ctx context.Context, queue string, limit int) ([]DeadMessage, error) {
	limit = min(max(limit, 1), 100)
	entries, err := b.rdb.LRange(ctx, b.keys.dead(queue), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("list dead messages of %s: %w", queue, err)
	}
	all := make([]DeadMessage, 0, len(entries))
	for _, e := range entries {
		var d DeadMessage
		if err := json.Unmarshal([]byte(e), &d); err != nil {
			d = DeadMessage{Reason: "unreadable entry", Size: len(e)}
		}
		all = append(all, d)
	}
	return all, nil
}

// bury sets m aside, trying until Redis answers or ctx ends.
func (w *Worker) bury(ctx context.Context, m message, reason error) {
	w.bus.log.WarnContext(ctx, "message set aside", slog.String("queue", m.queue),
		slog.Int("bytes", len(m.payload)), slog.Any("reason", reason))
	entry, err := json.Marshal(DeadMessage{
		Reason: reason.Error(), At: time.Now().UTC(), Worker: w.o.ID, Size: len(m.payload),
		Payload: strings.ToValidUTF8(m.payload[:min(len(m.payload), deadPayloadBytes)], "\uFFFD"),
	})
	if err != nil { // a struct of strings and numbers always encodes
		entry = []byte("{}")
	}
	w.settle(ctx, m, func(ctx context.Context) error {
		return w.bus.scripts.bury.Run(ctx, w.bus.rdb,
			[]string{w.processing(m.queue), w.bus.keys.dead(m.queue), w.bus.keys.deadTotal()},
			m.payload, entry, w.bus.deadCap, m.queue).Err()
	})
}
