package processing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"anb/platform/ffmpeg"
)

// Shares of the progress, in percent. 100 is for the caller to say, once the
// video is published.
const (
	encodedPercent = 97
	joinedPercent  = 98
	checkedPercent = 99
)

// Report receives the stage, the percentage done, which only rises and stays
// below 100, and how many times faster than real time the encoder is (0:
// unknown). It must return quickly.
type Report func(stage Stage, percent, speed float64)

// Encode makes the published video and its poster in j.Dir, checks them, and
// returns them. report may be nil.
//
// When ctx is cancelled ffmpeg is ended and the error is context.Canceled;
// every other error is a *Failure, whose reason says whether trying again may
// help. Files in j.Dir are of use only when the error is nil.
func (e *Encoder) Encode(ctx context.Context, j Job, report Report) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	if err := e.Prepare(ctx); err != nil {
		return Output{}, failure("prepare cards", err, ReasonEncoderFailed)
	}
	r := &run{Encoder: e, job: j, art: e.artwork(), plan: e.config.plan(j.Source, j.Start), report: rising(report)}
	out, err := r.all(ctx)
	if err != nil {
		return Output{}, failure("encode video", err, ReasonEncoderFailed)
	}
	return out, nil
}

// runner runs ffmpeg.
type runner func(context.Context, ffmpeg.Command) (ffmpeg.Result, error)

// runner is Tools.Run that tells a job's owner and the log of each run.
func (e *Encoder) runner(j Job) runner {
	log := cmp.Or(j.Log, e.log)
	return func(ctx context.Context, c ffmpeg.Command) (ffmpeg.Result, error) {
		if j.OnCommand != nil {
			j.OnCommand(e.tools.Line(c))
		}
		codec, began := slog.String("codec", codecIn(c.Args)), time.Now()
		log.InfoContext(ctx, "ffmpeg started", codec)
		result, err := e.tools.Run(ctx, c)
		if j.OnExit != nil {
			j.OnExit(err)
		}
		ended := []any{codec, slog.String("exit", exitClass(err)), slog.Duration("took", time.Since(began))}
		if exit, bad := exitOf(err); bad {
			ended = append(ended, slog.Int("exit_code", exit.Code))
		}
		log.InfoContext(ctx, "ffmpeg ended", ended...)
		return result, err
	}
}

// codecIn is what encodes the pictures by ffmpeg's arguments, copy when nothing
// does.
func codecIn(args []string) string {
	for i := len(args) - 2; i >= 0; i-- {
		if args[i] == "-c:v" || args[i] == "-c" {
			return args[i+1]
		}
	}
	return ""
}

// forget makes the next job prepare its artwork anew, unless that has happened.
func (e *Encoder) forget(a artwork) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready != nil && *e.ready == a {
		e.ready = nil
	}
}

// rising hides from report whatever would fall back or reach the end.
func rising(report Report) Report {
	last := 0.0
	return func(stage Stage, percent, speed float64) {
		last = max(last, min(percent, checkedPercent))
		if report != nil {
			report(stage, last, speed)
		}
	}
}

// run is the work on one job.
type run struct {
	*Encoder
	job    Job
	art    artwork
	plan   plan
	report Report
}

func (r *run) path(name string) string { return filepath.Join(r.job.Dir, name) }

func (r *run) all(ctx context.Context) (Output, error) {
	r.report(StageEncode, 0, 0)
	body, err := r.encodeBody(ctx)
	if err != nil {
		return Output{}, err
	}
	r.report(StageJoin, encodedPercent, 0)
	frames := body.frames + 2*r.config.frames(r.config.CardLength)
	single, err := r.join(ctx, body)
	if err != nil {
		return Output{}, err
	}
	r.report(StageCheck, joinedPercent, 0)
	if err := r.check(ctx, frames); err != nil {
		return Output{}, err
	}
	out := Output{
		Start: r.plan.begin, Frames: frames, DecodeErrors: body.errors, Codec: r.config.codec().name, SinglePass: single,
		Duration: time.Duration(frames) * time.Second / time.Duration(r.config.FPS), Width: r.config.Width, Height: r.config.Height,
	}
	if out.Video, err = describeFile(ctx, r.path(videoName)); err != nil {
		return Output{}, err
	}
	if out.Poster, err = describeFile(ctx, r.path(posterName)); err != nil {
		return Output{}, err
	}
	r.report(StageCheck, checkedPercent, 0)
	return out, nil
}

// Names in the job's folder.
const (
	bodyName   = "body.mp4"
	listName   = "parts.txt"
	videoName  = "video.mp4"
	posterName = "poster.jpg"
)

// body is the clip between the cards.
type body struct {
	frames int64
	sets   string // hash of its parameter sets
	errors int    // how often the decoder complained
}

// encodeBody makes the body, and the poster of it: so it is upright, of
// ordinary colours and without metadata.
func (r *run) encodeBody(ctx context.Context) (body, error) {
	if r.job.Source.HDR() {
		if err := writeCube(r.path(cubeName), r.job.Source.Transfer); err != nil {
			return body{}, failure("prepare colours", err, ReasonStorage)
		}
	}
	var said complaints
	result, err := r.runner(r.job)(ctx, ffmpeg.Command{
		Args: r.config.bodyArgs(r.job, r.plan, r.art.watermark, r.path(bodyName), r.path(posterName)),
		Dir:  r.job.Dir, Reads: []string{r.job.Path, r.art.watermark},
		OnProgress: func(p ffmpeg.Progress) {
			done := float64(p.Frame) / float64(max(1, r.plan.frames))
			r.report(StageEncode, encodedPercent*min(1, done), p.Speed)
		},
		OnLine: func(line string) {
			said.line(line)
			if r.job.OnLine != nil {
				r.job.OnLine(line)
			}
		},
	})
	if err != nil {
		return body{}, bodyFailure(err)
	}
	if !result.Last.End {
		return body{}, reject(ReasonEncoderFailed, "ffmpeg ended without saying so")
	}
	if reason := r.plan.damaged(result.Last.Frame, said.count, r.job.Source, r.config.FPS); reason != "" {
		f := reject(reason, "%d frames of %d, the decoder complained %d times", result.Last.Frame, r.plan.frames, said.count)
		f.Tail = result.Tail
		return body{}, f
	}
	if said.count > 0 {
		r.log.WarnContext(ctx, "upload decoded with errors", slog.Int("errors", said.count))
	}
	sets, err := parameterSets(r.path(bodyName))
	if err != nil {
		return body{}, failure("look at body", err, ReasonEncoderFailed)
	}
	return body{frames: result.Last.Frame, sets: sets, errors: said.count}, nil
}

// join puts the body between the cards and removes it. It copies when all
// parts have the same parameter sets. Otherwise ffmpeg is another than the one
// that made the cards: they are forgotten, so that the next job has new ones,
// and this video is made of the upload in a single pass.
func (r *run) join(ctx context.Context, b body) (single bool, err error) {
	art := r.art
	if art.opening, err = r.openingFor(ctx, r.job, r.art); err != nil {
		return false, err
	}
	parts := []string{art.opening, r.path(bodyName), art.closing}
	var args []string
	var reads []string
	if single = b.sets != r.art.extradata; single {
		r.log.WarnContext(ctx, "cards do not match the body, encoding in a single pass")
		r.forget(r.art)
		args = r.config.singleArgs(r.job, r.plan, art, b.frames, r.path(videoName))
		reads = []string{r.job.Path, art.watermark, art.opening, art.closing}
	} else {
		if err := os.WriteFile(r.path(listName), concatList(parts), 0o600); err != nil {
			return false, failure("write list of parts", err, ReasonStorage)
		}
		args = r.config.joinArgs(r.path(listName), r.path(videoName))
		reads = parts
	}
	if _, err := r.runner(r.job)(ctx, ffmpeg.Command{Args: args, Dir: r.job.Dir, Reads: reads, OnLine: r.job.OnLine}); err != nil {
		return false, failure("join parts", err, ReasonEncoderFailed)
	}
	if err := os.Remove(r.path(bodyName)); err != nil {
		return false, failure("remove body", err, ReasonStorage)
	}
	return single, nil
}

// concatList names the parts as ffmpeg's concat demuxer reads them. They are
// our own files, never the user's words.
func concatList(parts []string) []byte {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "file '%s'\n", strings.ReplaceAll(p, "'", `'\''`))
	}
	return []byte(b.String())
}

// describeFile hashes a finished file.
func describeFile(ctx context.Context, path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, failure("read result", err, ReasonStorage)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, failure("read result", err, ReasonStorage)
	}
	if err := ctx.Err(); err != nil {
		return File{}, err
	}
	return File{Path: path, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
