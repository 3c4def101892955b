package processing

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// jobCost is what one job took, and where its processor time went.
type jobCost struct {
	cost
	Inspect float64 `json:"inspect"`
	Encode  float64 `json:"encode"` // the body and the poster
	Join    float64 `json:"join"`
	Check   float64 `json:"check"` // and the hashes
	Own     float64 `json:"own"`   // of all this, what this process itself took
}

// run does all that a worker does between fetching and storing: inspect,
// encode with the poster, join, check, hash. The caller removes the folder.
func (l *lab) run(e *Encoder, path string) (Output, jobCost, error) {
	dir, err := os.MkdirTemp(l.dir, "job-*")
	if err != nil {
		return Output{}, jobCost{}, err
	}
	var (
		out   Output
		c     jobCost
		marks = map[Stage]float64{}
		own   = usage(unix.RUSAGE_SELF)
		begin = spent()
	)
	c.cost = measured(func() {
		var s Source
		if s, err = l.inspector.Inspect(l.b.Context(), path); err != nil {
			return
		}
		out, err = e.Encode(l.b.Context(), Job{Path: path, Source: s, Dir: dir}, func(stage Stage, _, _ float64) {
			if _, known := marks[stage]; !known {
				marks[stage] = spent()
			}
		})
	})
	c.Inspect = marks[StageEncode] - begin
	c.Encode = marks[StageJoin] - marks[StageEncode]
	c.Join = marks[StageCheck] - marks[StageJoin]
	c.Check = begin + c.CPU - marks[StageCheck]
	c.Own = usage(unix.RUSAGE_SELF) - own
	return out, c, err
}

// done runs a job that must succeed and returns its video, which stays, and
// its cost.
func (l *lab) done() (string, jobCost) {
	out, c, err := l.run(l.encoder, l.clip)
	require.NoError(l.b, err)
	require.False(l.b, out.SinglePass)
	require.Equal(l.b, l.frames()+l.cards(), out.Frames)
	return out.Video.Path, c
}

// cards is the number of frames in both cards together.
func (l *lab) cards() int64 { return 2 * l.config.frames(l.config.CardLength) }

func (l *lab) decodeArgs() []string {
	return []string{"-v", "error", "-threads", strconv.Itoa(l.config.Threads), "-t", secondsOf(l.plan.read), "-i", l.clip,
		"-map", "0:" + strconv.Itoa(l.job.Source.Stream), "-frames:v", strconv.FormatInt(l.frames(), 10), "-f", "null", "-"}
}

func (l *lab) x264Args(out string) []string {
	return append(append([]string{"-v", "error"}, l.rawInput()...), append(append([]string{"-vf", bt709}, l.config.encoding()...), "-y", out)...)
}

func (l *lab) rawInput() []string {
	return []string{"-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", strconv.Itoa(l.config.Width) + "x" + strconv.Itoa(l.config.Height),
		"-framerate", strconv.Itoa(l.config.FPS), "-i", l.raw}
}

// floorFacts say how much of the floor is none of our business.
type floorFacts struct {
	Reading float64 `json:"reading"` // seconds of reading raw frames, which our job need not
}

// floor proves that x264 alone makes the very pictures of our body.
func (l *lab) floor() floorFacts {
	l.say("checking that the floor makes what we make")
	alone := l.path("floor.mp4")
	l.bare("ffmpeg", l.x264Args(alone)...)
	video, _ := l.done()
	require.Equal(l.b, l.pictures(alone, 0), l.pictures(video, l.cards()/2), "the floor encodes other frames than the job")
	read := append(append([]string{"-v", "error"}, l.rawInput()...), "-f", "null", "-")
	return floorFacts{Reading: measured(func() { l.bare("ffmpeg", read...) }).CPU}
}

// pictures is a hash of the decoded frames of the body, which begins after so
// many others.
func (l *lab) pictures(video string, skip int64) string {
	hash := l.path("pictures.md5")
	l.bare("ffmpeg", "-v", "error", "-i", video, "-vf", fmt.Sprintf("trim=start_frame=%d:end_frame=%d", skip, skip+l.frames()), "-f", "md5", "-y", hash)
	data, err := os.ReadFile(hash)
	require.NoError(l.b, err)
	return string(data)
}

type pair struct {
	Job    jobCost `json:"job"`
	Decode cost    `json:"decode"`
	X264   cost    `json:"x264"`
	Ratio  float64 `json:"ratio"` // of processor time, job to floor
}

type pairs struct {
	Pairs  []pair  `json:"pairs"`
	Ratio  float64 `json:"ratio"`  // median
	Target float64 `json:"target"` // at most
}

// pairs takes turns, so that a slow moment of the machine slows both.
func (l *lab) pairs() pairs {
	all := pairs{Target: 1.2}
	for i := range l.size.pairs {
		var p pair
		job := func() { _, p.Job = l.done() }
		alone := func() {
			p.Decode = measured(func() { l.bare("ffmpeg", l.decodeArgs()...) })
			p.X264 = measured(func() { l.bare("ffmpeg", l.x264Args(l.path("floor.mp4"))...) })
		}
		if i%2 == 0 {
			job()
			alone()
		} else {
			alone()
			job()
		}
		p.Ratio = p.Job.CPU / (p.Decode.CPU + p.X264.CPU)
		all.Pairs = append(all.Pairs, p)
		l.say("pair %d of %d: job %.2f s of CPU, floor %.2f + %.2f, ratio %.3f",
			i+1, l.size.pairs, p.Job.CPU, p.Decode.CPU, p.X264.CPU, p.Ratio)
	}
	all.Ratio = medianOf(all.Pairs, func(p pair) float64 { return p.Ratio })
	return all
}

// round is wall time in seconds of one and of two at once, of our whole job
// and of an ffmpeg that only makes the body.
type round struct {
	JobOne  float64 `json:"job_one"`
	JobTwo  float64 `json:"job_two"`
	BareOne float64 `json:"bare_one"`
	BareTwo float64 `json:"bare_two"`
}

type twoAtOnce struct {
	Clip     float64 `json:"clip"` // seconds of the body
	Rounds   []round `json:"rounds"`
	JobGain  float64 `json:"job_gain"` // two of them in the time of JobGain one after the other; 2 is all there is
	BareGain float64 `json:"bare_gain"`
	Share    float64 `json:"share"` // median of ours over theirs
	Target   float64 `json:"target"`
}

// two compares what a second job at the same time gains.
func (l *lab) two() twoAtOnce {
	c := l.config
	c.ClipLength = l.size.two
	e, p := l.newEncoder(c), c.plan(l.job.Source, 0)
	job := func() error {
		_, _, err := l.run(e, l.clip)
		return err
	}
	bare := func() error {
		dir, err := os.MkdirTemp(l.dir, "bare-*")
		if err != nil {
			return err
		}
		args := append([]string{"-v", "error"}, c.bodyArgs(l.job, p, e.artwork().watermark, dir+"/body.mp4", "")...)
		_, err = runBare(l.b.Context(), "ffmpeg", args...)
		return err
	}
	t := twoAtOnce{Clip: l.size.two.Seconds(), Target: 0.95}
	for i := range l.size.rounds {
		r := round{JobOne: l.atOnce(1, job), BareOne: l.atOnce(1, bare), JobTwo: l.atOnce(2, job), BareTwo: l.atOnce(2, bare)}
		t.Rounds = append(t.Rounds, r)
		l.say("two at once, round %d of %d: jobs gain %.2f, bare ffmpegs %.2f", i+1, l.size.rounds, r.jobGain(), r.bareGain())
	}
	t.JobGain, t.BareGain = medianOf(t.Rounds, round.jobGain), medianOf(t.Rounds, round.bareGain)
	t.Share = medianOf(t.Rounds, func(r round) float64 { return r.jobGain() / r.bareGain() })
	return t
}

func (r round) jobGain() float64  { return 2 * r.JobOne / r.JobTwo }
func (r round) bareGain() float64 { return 2 * r.BareOne / r.BareTwo }

// atOnce returns the seconds until n pieces of work, begun together, are done.
func (l *lab) atOnce(n int, work func() error) float64 {
	var all sync.WaitGroup
	errs := make([]error, n)
	began := time.Now()
	for i := range n {
		all.Go(func() { errs[i] = work() })
	}
	all.Wait()
	took := time.Since(began).Seconds()
	for _, err := range errs {
		require.NoError(l.b, err)
	}
	return took
}
