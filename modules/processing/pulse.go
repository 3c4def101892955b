package processing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"anb/platform/crash"
)

// progressStep is the least time between two writes of progress.
const progressStep = time.Second

// pulse keeps a claim alive while its job runs: it renews the lease at least
// each heartbeat, and sooner when there is progress to tell. The same write
// tells whether the job is still ours.
type pulse struct {
	worker *Worker
	claim  claim
	log    *slog.Logger
	lost   func() // called when the job is not ours any more

	mu       sync.Mutex
	stage    Stage
	progress float64
}

// report takes the encoder's progress, in percent.
func (p *pulse) report(stage Stage, percent, _ float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.progress == 0 && percent > 0 {
		crash.At(crash.EncodeRunning)
	}
	p.stage, p.progress = stage, max(p.progress, min(percent, 99))
}

func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(min(progressStep, p.worker.Config.Heartbeat))
	defer tick.Stop()
	var (
		beat  time.Time
		stage Stage
		told  float64
	)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		s, pr := p.stage, p.progress
		p.mu.Unlock()
		if s == stage && pr == told && time.Since(beat) < min(p.worker.Config.Heartbeat, cancelDelay) {
			continue
		}
		err := p.worker.store.renew(ctx, p.claim, p.worker.Config.Lease, s, pr)
		switch {
		case errors.Is(err, errLost):
			p.lost()
			return
		case err != nil && ctx.Err() == nil:
			// Not the same as lost: go on, and publish only if the fence still fits.
			p.log.WarnContext(ctx, "lease not renewed, will try again", slog.Any("error", err))
		case err == nil:
			beat, stage, told = time.Now(), s, pr
		}
	}
}

// cancelDelay is how long a job without progress may not notice that it was
// cancelled.
const cancelDelay = 5 * time.Second
