package processing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
	"anb/platform/logging"
)

// State is where a job stands.
type State string

// The states. Queued and retrying jobs are due once run_after has passed; dead
// jobs are the dead-letter list.
const (
	Queued    State = "queued"
	Running   State = "running"
	Retrying  State = "retrying"
	Done      State = "done"
	Dead      State = "dead"
	Cancelled State = "cancelled"
)

// TaskName is what a message on the bus asks for.
const TaskName = "process"

// Config says how jobs are run.
type Config struct {
	Queue         string        `mapstructure:"queue"`          // where new jobs wait
	MaxAttempts   int           `mapstructure:"max_attempts"`   // before a job is dead
	Lease         time.Duration `mapstructure:"lease"`          // how long a silent worker keeps a job
	Heartbeat     time.Duration `mapstructure:"heartbeat"`      // at most between two renewals of the lease; between a worker's reports
	Timeout       time.Duration `mapstructure:"timeout"`        // for one attempt
	RetryBase     time.Duration `mapstructure:"retry_base"`     // before the second attempt; doubles each time
	RetryCap      time.Duration `mapstructure:"retry_cap"`      // the longest wait
	SweepInterval time.Duration `mapstructure:"sweep_interval"` // between looks for expired leases and due jobs
	Grace         time.Duration `mapstructure:"grace"`          // how old a file without a row must be to be removed
	WorkDir       string        `mapstructure:"work_dir"`       // for files in the making
	CacheDir      string        `mapstructure:"cache_dir"`      // for the cards
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.Queue == "" {
		errs = append(errs, errors.New("processing.queue is empty (ANB_PROCESSING_QUEUE)"))
	}
	if c.MaxAttempts < 1 {
		errs = append(errs, errors.New("processing.max_attempts must be at least 1 (ANB_PROCESSING_MAX_ATTEMPTS)"))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"lease", c.Lease}, {"heartbeat", c.Heartbeat}, {"timeout", c.Timeout}, {"retry_base", c.RetryBase},
		{"retry_cap", c.RetryCap}, {"sweep_interval", c.SweepInterval}, {"grace", c.Grace},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("processing.%s must be positive, such as 30s", d.key))
		}
	}
	if c.Heartbeat*2 > c.Lease {
		errs = append(errs, errors.New("processing.heartbeat must be at most half of processing.lease"))
	}
	if c.WorkDir == "" {
		errs = append(errs, errors.New("processing.work_dir is empty (ANB_PROCESSING_WORK_DIR)"))
	}
	if c.CacheDir == "" {
		errs = append(errs, errors.New("processing.cache_dir is empty (ANB_PROCESSING_CACHE_DIR)"))
	}
	return errors.Join(errs...)
}

// backoff is how long to wait after the given attempt: capped exponential, and
// between half of it and one and a half, so that many failures of one moment
// do not come back in one moment. r is in [0, 1).
func (c Config) backoff(attempt int, r float64) time.Duration {
	d := c.RetryCap
	if shift := attempt - 1; shift < 20 && c.RetryBase<<shift < d {
		d = c.RetryBase << shift
	}
	return time.Duration(float64(d) * (0.5 + r))
}

// claim is a job that this worker holds until its lease ends. Its fence is in
// every write; after another worker's claim those match no row.
type claim struct {
	ID          uuid.UUID
	VideoID     uuid.UUID
	Queue       string
	Attempt     int
	MaxAttempts int
	Fence       int64
	CreatedAt   database.Time // of the job
	StartedAt   database.Time // its first claim
	RequestID   *string       // of the request that asked for the job; nil: none did
}

// logged is ctx whose log lines carry the id of the request that asked for the
// job.
func (c claim) logged(ctx context.Context) context.Context {
	if c.RequestID == nil {
		return ctx
	}
	return logging.WithRequestID(ctx, *c.RequestID)
}

// last reports whether no attempt is left after this one.
func (c claim) last() bool { return c.Attempt >= c.MaxAttempts }

// first reports whether nobody has claimed the job before.
func (c claim) first() bool { return c.Fence == 1 }

// outcome says how an attempt ended.
type outcome string

const (
	outcomeDone      outcome = "done"
	outcomeFailed    outcome = "failed"
	outcomeCancelled outcome = "cancelled"
	outcomeReleased  outcome = "released"  // handed back by a worker that stopped
	outcomeLost      outcome = "lost"      // its worker fell silent
	outcomePostponed outcome = "postponed" // for want of room or storage; did not count
)

var (
	// errLost means that the job is another's by now, or nobody's: what was
	// made of it must be thrown away.
	errLost = errors.New("job lost: cancelled or claimed by another worker")
	// errCancelled means that an operator wants the job to end, and that it is
	// still this claim's to end it.
	errCancelled = errors.New("job cancelled by an operator")
)
