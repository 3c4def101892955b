package processing

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"anb/platform/storage"
)

// outagePatience is how long after a job was made our failures do not count as
// its attempts. A day is enough for somebody to find out and mend it.
const outagePatience = 24 * time.Hour

// storagePatience is how long the end of an attempt waits for a storage, so that
// one that hangs does not keep it from being recorded.
const storagePatience = 5 * time.Second

// outage reports whether a failure is of our disk or storage alone, and so says
// nothing about the video: there is no room, or the storage is away. It is not
// one when the original does not exist, when nobody foresaw the error, or when
// ffmpeg, whose words may come from a damaged file, is the only one to complain.
func (w *Worker) outage(ctx context.Context, f *Failure) bool {
	switch {
	case f.Reason == ReasonNoSpace:
		return true
	case f.Reason != ReasonStorage, f.unforeseen, errors.Is(f.Err, storage.ErrNotExist):
		return false
	case f.ExitCode != 0:
		ctx, cancel := context.WithTimeout(ctx, storagePatience)
		defer cancel()
		return w.Originals.Check(ctx) != nil
	}
	return true
}

// postpone returns a job to the queue without counting the attempt, as when a
// worker stops, but to be tried again only after a while that grows with each
// claim up to processing.retry_cap. So an outage of an hour costs nobody a
// video, and one that lasts does not keep the workers busy. It is false, and
// changes nothing, once the job is older than outagePatience: from then on
// such failures count like any other.
func (w *Worker) postpone(ctx context.Context, c claim, f *Failure) (bool, error) {
	young, err := w.store.younger(ctx, c, outagePatience)
	if err != nil || !young {
		return false, err
	}
	return true, w.store.finish(ctx, c, Retrying, outcomePostponed, f, w.Config.backoff(int(c.Fence), mathrand.Float64()))
}

// storeFailure is a failure of our storage; the end of the context stays.
func storeFailure(ctx context.Context, doing string, err error) error {
	switch {
	case errors.Is(err, storage.ErrFull):
		return &Failure{Reason: ReasonNoSpace, Err: fmt.Errorf("%s: %w", doing, err)}
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil: // the storage's time is up, not the job's
		return &Failure{Reason: ReasonStorage, Err: fmt.Errorf("%s: %w", doing, err)}
	}
	return failure(doing, err, ReasonStorage)
}

// littleRoom is how much free room counts as none once an encoder has failed:
// it needs as much at a stroke, for its buffers and the index of a file.
const littleRoom = 4 << 20

// roomless gives an encoder's failure the reason no_space when there is none:
// ffmpeg may end well after a write for which there was no room, and then all
// that can be seen is a file that is cut off. Call it while what was made is
// still there.
func (w *Worker) roomless(ctx context.Context, err error) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.Reason != ReasonEncoderFailed {
		return err
	}
	if free, known, e := w.Free(ctx); e != nil || !known || free >= littleRoom {
		return err
	}
	full := *f
	full.Reason = ReasonNoSpace
	return &full
}

// Free returns how many bytes can still be written to the scratch folder.
func (w *Worker) Free(context.Context) (bytes uint64, known bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(w.scratch.own, &st); err != nil {
		return 0, false, fmt.Errorf("free room of %s: %w", w.scratch.own, err)
	}
	return st.Bavail * uint64(st.Bsize), true, nil
}
