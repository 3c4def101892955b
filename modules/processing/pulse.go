package processing

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"anb/platform/crash"
)

// progressStep is the time between two writes of progress.
const progressStep = time.Second

// pulse keeps a claim alive while its job runs: each second it renews the lease
// and tells the progress. The same write tells whether the job is still ours, and
// whether an operator has cancelled it. It also writes down what ffmpeg is told
// and says, so that this outlives the worker.
type pulse struct {
	worker *Worker
	claim  claim
	log    *slog.Logger
	stop   func(cause error) // called with errLost or errCancelled
	said   *tail

	mu     sync.Mutex
	now    standing
	began  time.Time
	stages []string // entered, each with the ms since began
	kept   int      // of stages
}

// newPulse begins in the first stage.
func newPulse(w *Worker, c claim, log *slog.Logger, stop func(error), said *tail) *pulse {
	p := &pulse{worker: w, claim: c, log: log, stop: stop, said: said, began: time.Now()}
	p.enter(StageProbe)
	return p
}

// enter notes that a stage begins. The caller holds mu, or is alone.
func (p *pulse) enter(stage Stage) {
	p.now.stage = stage
	p.stages = append(p.stages, string(stage)+" "+strconv.FormatInt(time.Since(p.began).Milliseconds(), 10))
}

// keepStages writes down those that were entered since the last time.
func (p *pulse) keepStages(ctx context.Context) {
	p.mu.Lock()
	stages := slices.Clone(p.stages)
	p.mu.Unlock()
	if len(stages) == p.kept {
		return
	}
	if err := p.worker.store.keepStages(ctx, p.claim, strings.Join(stages, ",")); err != nil {
		p.log.DebugContext(ctx, "stages not written down", slog.Any("error", err))
		return
	}
	p.kept = len(stages)
}

// end writes down the last stages, for a moment at most.
func (p *pulse) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p.keepStages(ctx)
}

// standing is how far an attempt is.
type standing struct {
	stage    Stage
	progress float64 // percent
	speed    float64 // of the encoder; 1 is real time, 0 while it does not encode
}

// report takes what the encoder tells.
func (p *pulse) report(stage Stage, percent, speed float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.progress == 0 && percent > 0 {
		crash.At(crash.EncodeRunning)
	}
	if stage != p.now.stage {
		p.enter(stage)
	}
	p.now.progress, p.now.speed = max(p.now.progress, min(percent, 99)), max(0, speed)
}

func (p *pulse) standing() standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(min(progressStep, p.worker.Config.Heartbeat))
	defer tick.Stop()
	var kept minutes
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.worker.store.renew(ctx, p.claim, p.worker.Config.Lease, p.standing())
		switch {
		case errors.Is(err, errLost), errors.Is(err, errCancelled):
			p.stop(err)
			return
		case err != nil && ctx.Err() == nil:
			// Not the same as lost: go on, and publish only if the fence still fits.
			p.log.WarnContext(ctx, "lease not renewed, will try again", slog.Any("error", err))
		}
		p.keep(ctx, &kept)
		p.keepStages(ctx)
	}
}

// minutes are how much of what ffmpeg said is written down.
type minutes struct {
	heard   int // lines
	at      time.Time
	failing bool
}

// keep writes down the end of what ffmpeg has said, if it said more and the
// last time is a while ago.
func (p *pulse) keep(ctx context.Context, w *minutes) {
	if time.Since(w.at) < progressStep {
		return
	}
	text, heard := p.said.since(w.heard)
	if heard == w.heard {
		return
	}
	w.at = time.Now()
	err := p.worker.store.keepWords(ctx, p.claim, text, p.said.commands())
	if err == nil {
		w.heard, w.failing = heard, false
	} else if ctx.Err() == nil && !w.failing {
		w.failing = true
		p.log.WarnContext(ctx, "what ffmpeg says not written down, will try again", slog.Any("error", err))
	}
}
