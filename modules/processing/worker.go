package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"anb/platform/crash"
	"anb/platform/database"
	"anb/platform/storage"
)

// WorkerDeps are what a worker needs; all are required.
type WorkerDeps struct {
	ID        string // unique among living workers
	Version   string // of this program
	DB        *database.DB
	Bus       Bus
	Videos    Videos
	Originals storage.Store
	Processed storage.Store
	Inspector inspector
	Encoder   encoder
	Queues    []string
	Slots     int // jobs at once
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Config    Config
}

// Worker turns due jobs into published videos. It is safe for concurrent use.
type Worker struct {
	WorkerDeps
	store    store
	scratch  *scratch
	measures *measures
	duty     atomic.Pointer[duty]

	done, failed atomic.Int64 // attempts
}

// NewWorker wires a worker and makes its scratch folder; it fails when a
// dependency is missing. The caller closes it.
func NewWorker(d WorkerDeps) (*Worker, error) {
	if d.ID == "" || d.Version == "" || d.DB == nil || d.Bus == nil || d.Videos == nil || d.Originals == nil || d.Processed == nil ||
		d.Inspector == nil || d.Encoder == nil || len(d.Queues) == 0 || d.Slots < 1 || d.Log == nil || d.Metrics == nil {
		return nil, errors.New("processing: a dependency of the worker is missing")
	}
	m, err := newMeasures(d.Metrics, d.Queues)
	if err != nil {
		return nil, err
	}
	s, err := newScratch(d.Config.WorkDir, d.ID)
	if err != nil {
		return nil, err
	}
	w := &Worker{WorkerDeps: d, store: store{d.DB}, scratch: s, measures: m}
	w.duty.Store(&duty{slots: d.Slots, queues: d.Queues})
	return w, nil
}

// Close removes the scratch folder.
func (w *Worker) Close() error { return w.scratch.close() }

// Handle is what the bus calls for each message. The id is a hint: that job if
// it is due, else the next due one of the worker's queues; none that operators
// ordered the worker to leave alone, and none of a paused queue. ctx ends when
// the worker must stop; the job is then handed back without burning its attempt.
func (w *Worker) Handle(ctx context.Context, id string) {
	hint, err := uuid.Parse(id)
	if err != nil {
		hint = uuid.Nil // a due job may wait all the same
	}
	c, ok, err := w.claim(ctx, hint)
	switch {
	case err != nil:
		w.Log.WarnContext(ctx, "claim failed, the sweeper will wake again", slog.Any("error", err))
	case ok:
		crash.At(crash.ClaimTaken)
		w.measures.claimed(c)
		w.run(c.logged(ctx), c)
	default:
		w.Log.DebugContext(ctx, "nothing due, or already claimed", slog.String("task_id", id))
	}
}

func (w *Worker) claim(ctx context.Context, hint uuid.UUID) (c claim, ok bool, err error) {
	err = w.DB.InTx(ctx, func(ctx context.Context) error {
		if c, ok, err = w.store.claim(ctx, w.duty.Load().queues, hint, w.ID, w.Config.Lease); err != nil || !ok {
			return err
		}
		crash.At(crash.ClaimClaimed)
		exists, err := w.Videos.MarkProcessing(ctx, c.VideoID)
		if err != nil || exists {
			crash.At(crash.ClaimMarked)
			return err
		}
		ok = false // deleted; only a restored backup can bring us here
		return w.store.finish(ctx, c, Cancelled, outcomeCancelled, &Failure{}, 0)
	})
	if err != nil {
		return claim{}, false, fmt.Errorf("claim: %w", err)
	}
	return c, ok, nil
}

// run does one attempt and writes down how it ended.
func (w *Worker) run(ctx context.Context, c claim) {
	log := w.Log.With(slog.String("task_id", c.ID.String()), slog.String("video_id", c.VideoID.String()),
		slog.Int("attempt", c.Attempt), slog.Int64("fence", c.Fence))
	log.InfoContext(ctx, "job started")
	began := time.Now()
	work, stop := context.WithTimeout(ctx, w.Config.Timeout)
	defer stop()
	made, err := w.attempt(work, c, log)
	// What follows must happen although the worker may be stopping.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if err == nil {
		err = w.publish(end, c, made)
	}
	if err != nil && !errors.Is(err, database.ErrCommitUnknown) {
		w.discard(end, made, log) // after an unknown commit the janitor decides
	}
	w.conclude(end, ending{c, made, began, log}, err, ctx.Err() != nil, work.Err() != nil)
}

// attempt makes the files of one job. The keys it returns are in storage, with
// an error too.
func (w *Worker) attempt(ctx context.Context, c claim, log *slog.Logger) (made product, err error) {
	made.said = &tail{}
	defer func() {
		if p := recover(); p != nil { // this attempt has failed, the others of this process go on
			log.ErrorContext(ctx, "panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = &Failure{Reason: ReasonPoison, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pulse := newPulse(w, c, log, stop, made.said)
	defer pulse.end(ctx)
	var beating sync.WaitGroup
	beat, endBeat := context.WithCancel(ctx)
	beating.Go(func() { pulse.run(beat) })
	defer beating.Wait()
	defer endBeat()
	defer func() {
		if cause := context.Cause(ctx); err != nil && (errors.Is(cause, errLost) || errors.Is(cause, errCancelled)) {
			err = cause
		}
	}()
	dir, remove, err := w.scratch.dir(c)
	if err != nil {
		return made, failure("make scratch folder", err, ReasonStorage)
	}
	defer remove()
	original, err := w.Videos.Source(ctx, c.VideoID)
	if err != nil {
		return made, err
	}
	path, err := w.Originals.Fetch(ctx, original.Key, dir)
	if err != nil {
		return made, storeFailure(ctx, "fetch original", err)
	}
	crash.At(crash.EncodeFetched)
	source, err := w.Inspector.Inspect(ctx, path)
	if err != nil {
		return made, err
	}
	crash.At(crash.EncodeInspected)
	if !original.Measured {
		if err := w.Videos.Measure(ctx, c.VideoID, source.measured()); err != nil {
			log.WarnContext(ctx, "upload's size not written down", slog.Any("error", err))
		}
	}
	encode := filepath.Join(dir, "encode") // a downloaded original may lie in dir itself
	if err := os.Mkdir(encode, 0o750); err != nil {
		return made, failure("make scratch folder", err, ReasonStorage)
	}
	job := Job{
		Path: path, Source: source, Start: original.Start, Dir: encode,
		Player: original.Player, City: original.City, OnLine: made.said.line, OnCommand: made.said.command, OnExit: w.measures.exit, Log: log,
	}
	out, err := w.Encoder.Encode(ctx, job, pulse.report)
	if err != nil {
		return made, w.roomless(ctx, err)
	}
	crash.At(crash.EncodeEncoded)
	made.decodeErrors, made.codec = out.DecodeErrors, out.Codec
	made.files.Duration, made.files.Width, made.files.Height = out.Duration, out.Width, out.Height
	pulse.report(StagePublish, 99, 0)
	name, err := unguessable(c)
	if err != nil {
		return made, err
	}
	if err := storage.PutFile(ctx, w.Processed, out.Video.Path, name+".mp4", "video/mp4"); err != nil {
		return made, storeFailure(ctx, "store video", err)
	}
	made.files.VideoKey, made.files.VideoBytes, made.files.VideoSHA256 = name+".mp4", out.Video.Size, out.Video.SHA256
	crash.At(crash.PublishVideo)
	if err := storage.PutFile(ctx, w.Processed, out.Poster.Path, name+".jpg", "image/jpeg"); err != nil {
		return made, storeFailure(ctx, "store poster", err)
	}
	made.files.ThumbnailKey, made.files.ThumbnailBytes, made.files.ThumbnailSHA256 = name+".jpg", out.Poster.Size, out.Poster.SHA256
	crash.At(crash.PublishPoster)
	return made, ctx.Err()
}
