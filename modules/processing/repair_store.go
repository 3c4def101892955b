package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"anb/platform/audit"
	"anb/platform/database"
)

// Repairer carries on with jobs that nobody carries on. All fields are
// required.
type Repairer struct {
	DB     *database.DB
	Videos Videos
	Config Config
	Now    func() time.Time
	Log    *slog.Logger
}

// Repair mends what Audit names and what has only one right end, and tells of
// each: a job whose worker has died is returned to the queue, or dead when that
// was its last attempt; a job whose video is finished already is cancelled,
// since nothing can come of it any more; and a video that waits without a job
// gets one, which a worker's sweeper finds within seconds. Each has a
// transaction of its own, which looks again under the lock of the row, so that
// workers, other repairs and players may go on meanwhile. It ends with the
// first error; what was told is done.
func (r Repairer) Repair(ctx context.Context, done audit.Report) error {
	if err := r.reclaim(ctx, done); err != nil {
		return err
	}
	for _, what := range []struct {
		list, detail string
		mend         func(context.Context, uuid.UUID) (bool, error)
	}{
		{activeOfFinished, "cancelled, as its video is finished", r.cancelFinished},
		{waitingWithoutJob, "video has a job again", r.enqueueWaiting},
	} {
		odd, err := oddJobs(ctx, r.DB, what.list)
		if err != nil {
			return err
		}
		for _, o := range odd {
			var mended bool
			err := r.DB.InTx(ctx, func(ctx context.Context) (err error) {
				mended, err = what.mend(ctx, o.VideoID)
				return err
			})
			switch {
			case errors.Is(err, errHolds):
			case err != nil:
				return fmt.Errorf("repair job of video %s: %w", o.VideoID, err)
			case mended:
				done(o.finding(what.detail))
			}
		}
	}
	return nil
}

// reclaim does for leases that have been over for a while what sweepers do.
func (r Repairer) reclaim(ctx context.Context, done audit.Report) error {
	// It takes no jobs, and so needs no scratch folder.
	w := &Worker{WorkerDeps: WorkerDeps{DB: r.DB, Videos: r.Videos, Log: r.Log, Config: r.Config}, store: store{r.DB}}
	for {
		lost, err := w.store.expired(ctx, sweepBatch)
		if err != nil {
			return fmt.Errorf("list expired leases: %w", err)
		}
		for _, l := range lost {
			to, err := w.reclaim(ctx, l)
			if errors.Is(err, errLost) {
				continue
			} else if err != nil {
				return fmt.Errorf("reclaim job %s: %w", l.Claim.ID, err)
			}
			detail := "ended, as its worker fell silent in its last attempt"
			switch to {
			case Retrying:
				detail = "taken from its worker, which fell silent, to be tried again"
			case Cancelled:
				detail = "cancelled, as an operator wanted before its worker fell silent"
			}
			done(oddJob{&l.Claim.ID, l.Claim.VideoID}.finding(detail))
		}
		if len(lost) < sweepBatch {
			return nil
		}
	}
}

// errHolds rolls a repair back whose reason has gone.
var errHolds = errors.New("nothing to repair any more")

// cancelFinished ends the active job of a finished video. The job before the
// video: workers lock in this order too.
func (r Repairer) cancelFinished(ctx context.Context, video uuid.UUID) (bool, error) {
	if err := (store{r.DB}).cancel(ctx, video); err != nil {
		return false, err
	}
	status, err := r.lockVideo(ctx, video)
	if err == nil && status != "processed" && status != "failed" {
		err = errHolds
	}
	return true, err
}

// enqueueWaiting makes a job for an unfinished video that has none.
func (r Repairer) enqueueWaiting(ctx context.Context, video uuid.UUID) (bool, error) {
	status, err := r.lockVideo(ctx, video)
	if err != nil || status != "uploaded" && status != "processing" {
		return false, err
	}
	var jobs int64
	err = r.DB.Write(ctx).Table("jobs").Where("video_id = ? AND state IN "+active, video).Count(&jobs).Error
	if err != nil || jobs > 0 {
		return false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return false, err
	}
	return true, store{r.DB}.enqueue(ctx, id, video, r.Config, r.Now())
}

// lockVideo returns a video's status, "" when it is gone.
func (r Repairer) lockVideo(ctx context.Context, id uuid.UUID) (status string, err error) {
	lock := ""
	if r.DB.Dialect() == database.Postgres {
		lock = " FOR UPDATE"
	}
	err = r.DB.Write(ctx).Raw("SELECT status FROM videos WHERE id = ?"+lock, id).Scan(&status).Error
	return status, err
}
