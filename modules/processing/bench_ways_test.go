package processing

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
)

// way is one way to make the published video.
type way struct {
	Name   string  `json:"name"`
	What   string  `json:"what"`
	CRF    float64 `json:"crf"`  // at which its body is as like the frames as ours is
	SSIM   float64 `json:"ssim"` // of the body
	Body   int64   `json:"body"` // bytes
	File   int64   `json:"file"` // bytes, with cards and container
	Costs  []cost  `json:"costs"`
	CPU    float64 `json:"cpu"` // median
	Tried  []trial `json:"tried"`
	encode func(crf float64, out string) error
	guess  float64
}

// trial is a quality that was tried on the way to CRF.
type trial struct {
	CRF  float64 `json:"crf"`
	SSIM float64 `json:"ssim"`
}

type ways struct {
	Tolerance   float64 `json:"tolerance"` // of SSIM
	Ways        []way   `json:"ways"`      // ours first
	BodyRatio   float64 `json:"body_ratio"`
	FileRatio   float64 `json:"file_ratio"` // of our bytes to the single pass
	FileTarget  float64 `json:"file_target"`
	OtherTarget bool    `json:"smaller_than_the_rest"`
}

const likeness = 0.001

// ways looks for the quality at which each way equals ours, at all of them at
// once since bytes do not depend on the time; then it takes turns to measure.
func (l *lab) ways() ways {
	w := ways{Tolerance: likeness, FileTarget: 1.25, Ways: []way{
		{Name: "ours", What: "the body encoded once, cards joined without encoding", CRF: float64(l.config.CRF)},
		{Name: "single pass", What: "cards and body through the concat filter into one x264 of the same preset", guess: 22.6,
			encode: func(crf float64, out string) error { return l.singlePass("veryfast", crf, out) }},
		{Name: "three encodes", What: "cut, watermark, join, each a full encode with preset medium", guess: 21.6, encode: l.threeEncodes},
		{Name: "ultrafast", What: "the single pass with preset ultrafast", guess: 19.9,
			encode: func(crf float64, out string) error { return l.singlePass("ultrafast", crf, out) }},
	}}
	video, _ := l.done()
	l.judge(&w.Ways[0], video)
	l.say("looking for equal quality: SSIM %.4f", w.Ways[0].SSIM)
	l.equalise(w.Ways)
	for i := range l.size.rounds {
		for j := range w.Ways {
			v := &w.Ways[j]
			var c cost
			if v.encode == nil {
				var job jobCost
				_, job = l.done()
				c = job.cost
			} else {
				c = measured(func() { require.NoError(l.b, v.encode(v.CRF, l.wayFile(v))) })
			}
			v.Costs = append(v.Costs, c)
			l.say("round %d of %d: %s, %.2f s of CPU", i+1, l.size.rounds, v.Name, c.CPU)
		}
	}
	ours := w.Ways[0]
	w.OtherTarget = true
	for i := range w.Ways {
		v := &w.Ways[i]
		v.CPU = medianOf(v.Costs, func(c cost) float64 { return c.CPU })
		if i > 1 && v.File <= ours.File {
			w.OtherTarget = false
		}
	}
	w.BodyRatio = float64(ours.Body) / float64(w.Ways[1].Body)
	w.FileRatio = float64(ours.File) / float64(w.Ways[1].File)
	return w
}

func (l *lab) wayFile(v *way) string { return l.path(strings.ReplaceAll(v.Name, " ", "-") + ".mp4") }

func (l *lab) judge(v *way, file string) {
	var err error
	v.SSIM, err = l.ssim(file, l.cards()/2, l.frames(), l.raw)
	require.NoError(l.b, err)
	v.Body, v.File = l.bodyBytes(file, l.cards()/2, l.frames()), l.fileSize(file)
}

func (l *lab) equalise(all []way) {
	var group sync.WaitGroup
	errs := make([]error, len(all))
	for i := range all[1:] {
		group.Go(func() { errs[i] = l.search(&all[i+1], all[0].SSIM) })
	}
	group.Wait()
	require.NoError(l.b, errors.Join(errs...))
	for i := range all[1:] {
		l.judge(&all[i+1], l.wayFile(&all[i+1]))
	}
}

// search ends with the file of the quality it found, at half the tolerance.
func (l *lab) search(v *way, want float64) error {
	v.CRF = v.guess
	for range 6 {
		if err := v.encode(v.CRF, l.wayFile(v)); err != nil {
			return err
		}
		got, err := l.ssim(l.wayFile(v), l.cards()/2, l.frames(), l.raw)
		if err != nil {
			return err
		}
		t := trial{CRF: v.CRF, SSIM: got}
		v.Tried = append(v.Tried, t)
		l.say("%s at crf %.2f: SSIM %.4f", v.Name, t.CRF, t.SSIM)
		if t.SSIM < 0.8 {
			return fmt.Errorf("%s at crf %.2f: SSIM %.4f is that of other frames", v.Name, t.CRF, t.SSIM)
		}
		if math.Abs(t.SSIM-want) <= likeness/2 {
			return nil
		}
		v.CRF = nextCRF(v.Tried, want)
	}
	return fmt.Errorf("%s: no quality like ours: %v", v.Name, v.Tried)
}

// nextCRF guesses along the line through the last two trials; one step of CRF
// costs some four thousandths of SSIM.
func nextCRF(tried []trial, want float64) float64 {
	last, slope := tried[len(tried)-1], -0.004
	if len(tried) > 1 {
		before := tried[len(tried)-2]
		if s := (last.SSIM - before.SSIM) / (last.CRF - before.CRF); s < 0 {
			slope = s
		}
	}
	return math.Round(100*min(max(last.CRF+(want-last.SSIM)/slope, 1), 51)) / 100
}

// singlePass is the graph that one writes first. The cards are ours, so that
// the files show the same.
func (l *lab) singlePass(preset string, crf float64, out string) error {
	art, body := l.encoder.artwork(), strings.TrimSuffix(l.config.bodyFilter(l.job.Source, l.frames(), bt709), "[v]")
	return l.attempt("-threads", strconv.Itoa(l.config.Threads), "-t", secondsOf(l.plan.read), "-i", l.clip, "-i", art.watermark, "-i", art.opening, "-i", art.closing,
		"-filter_complex_threads", "1", "-filter_complex",
		fmt.Sprintf("%s,trim=end_frame=%d[body];[2:v][body][3:v]concat=n=3:v=1:a=0,fps=%d,%s[v]", body, l.frames(), l.config.FPS, bt709),
		"-map", "[v]", "-an", "-map_metadata", "-1", "-c:v", "libx264", "-threads", strconv.Itoa(l.config.Threads), "-preset", preset, "-crf", fmt.Sprint(crf),
		"-pix_fmt", "yuv420p", "-movflags", "+faststart", out)
}

// threeEncodes is what earlier versions of the product did.
func (l *lab) threeEncodes(crf float64, out string) error {
	art := l.encoder.artwork()
	dir, err := os.MkdirTemp(l.dir, "three-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cut, marked := dir+"/cut.mp4", dir+"/marked.mp4"
	x264 := []string{"-an", "-map_metadata", "-1", "-c:v", "libx264", "-preset", "medium", "-crf", fmt.Sprint(crf), "-pix_fmt", "yuv420p", "-movflags", "+faststart"}
	step := func(out string, args ...string) error { return l.attempt(append(append(args, x264...), out)...) }
	return errors.Join(
		step(cut, "-t", secondsOf(l.plan.read), "-i", l.clip, "-frames:v", strconv.FormatInt(l.frames(), 10), "-vf",
			fmt.Sprintf("setpts=PTS-STARTPTS,fps=%d,scale=%d:%d:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1,%s", l.config.FPS, l.config.Width, l.config.Height, bt709)),
		step(marked, "-i", cut, "-i", art.watermark, "-filter_complex", "[0:v][1:v]"+l.config.watermarkFilter(l.frames())+",format=yuv420p,"+bt709),
		step(out, "-i", art.opening, "-i", marked, "-i", art.closing, "-filter_complex", fmt.Sprintf("[0:v][1:v][2:v]concat=n=3:v=1:a=0,fps=%d,%s[v]", l.config.FPS, bt709), "-map", "[v]"),
	)
}

func (l *lab) attempt(args ...string) error {
	_, err := runBare(l.b.Context(), "ffmpeg", append([]string{"-v", "error", "-y"}, args...)...)
	return err
}
