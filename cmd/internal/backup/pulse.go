package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"log/slog"
	"time"
)

// pulseEvery is how often long work says how far it is.
const pulseEvery = 10 * time.Second

// pulse tells how far the work is.
type pulse struct {
	log   *slog.Logger
	next  time.Time
	bytes int64
	files int64
}

func (p *pulse) moved(ctx context.Context, n int) {
	p.bytes += int64(n)
	now := time.Now()
	if p.next.IsZero() {
		p.next = now.Add(pulseEvery)
	}
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(pulseEvery)
	p.log.InfoContext(ctx, "still at it", slog.Int64("files", p.files), slog.Int64("bytes", p.bytes))
}

// sum hashes all bytes of an archive but those of files, which have sums of
// their own: no byte is hashed twice.
type sum struct {
	hash.Hash
	muted bool
}

func newSum() *sum { return &sum{Hash: sha256.New()} }

func (s *sum) add(p []byte) {
	if !s.muted {
		s.Write(p)
	}
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
