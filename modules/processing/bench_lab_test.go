package processing

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"anb/platform/ffmpeg"
	"anb/platform/ffmpeg/ffmpegtest"
)

// lab is where BenchmarkVideo works: our recipe as it is configured by
// default, the real programs, a folder, one clip.
type lab struct {
	b         *testing.B
	size      size
	quick     bool
	dir       string
	config    EncoderConfig
	encoder   *Encoder
	inspector *Inspector
	tools     *ffmpeg.Tools
	clip      string
	job       Job
	plan      plan
	raw       string // the body's frames as x264 receives them
}

func newLab(b *testing.B) *lab {
	ffmpegtest.Require(b)
	l := &lab{b: b, quick: *benchQuick, size: sizeOf(*benchQuick), dir: b.TempDir(), config: contractEncoderConfig()}
	l.config.ClipLength = l.size.clip
	l.requireSpace()
	l.tools = l.newTools()
	l.encoder = l.newEncoder(l.config)
	limits := contractLimits()
	limits.MinDuration = time.Second
	var err error
	l.inspector, err = NewInspector(limits, l.tools)
	require.NoError(b, err)

	l.say("making a clip of %s", l.size.clip+time.Second)
	l.clip = l.makeClip("clip.mp4", 30, (l.size.clip + time.Second).Seconds())
	l.job = l.inspected(l.clip)
	l.plan = l.config.plan(l.job.Source, 0)
	l.say("preparing its frames")
	l.raw = l.path("body.yuv")
	l.bare("ffmpeg", l.graphArgs(l.job, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-y", l.raw)...)
	return l
}

// requireSpace asks for room for the raw frames, twice, and all the files.
func (l *lab) requireSpace() {
	var disk unix.Statfs_t
	require.NoError(l.b, unix.Statfs(l.dir, &disk))
	raw := int64(l.config.Width*l.config.Height*3/2) * l.config.frames(l.size.clip)
	require.Greater(l.b, int64(disk.Bavail)*disk.Bsize, 2*raw+1<<30, "free bytes in %s; TMPDIR names another folder", l.dir)
}

func (l *lab) newTools() *ffmpeg.Tools {
	c := ffmpeg.Config{FFmpeg: "ffmpeg", FFprobe: "ffprobe"}
	tools, err := ffmpeg.New(c, discard())
	require.NoError(l.b, err)
	return tools
}

// newEncoder shares the cards with every other encoder of the benchmark.
func (l *lab) newEncoder(c EncoderConfig) *Encoder {
	e, err := NewEncoder(c, l.tools, benchCards(l.dir), discard())
	require.NoError(l.b, err)
	require.NoError(l.b, e.Prepare(l.b.Context()))
	return e
}

// benchCards is the cache of cards in the benchmark's folder.
func benchCards(dir string) string { return filepath.Join(dir, "cards") }

func (l *lab) inspected(path string) Job {
	s, err := l.inspector.Inspect(l.b.Context(), path)
	require.NoError(l.b, err)
	return Job{Path: path, Source: s}
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// frames is the number of pictures in the body.
func (l *lab) frames() int64 { return l.plan.frames }

// graphArgs run our decoder and filters, and whatever output the rest says.
func (l *lab) graphArgs(j Job, output ...string) []string {
	body := l.config.bodyArgs(j, l.plan, l.encoder.artwork().watermark, "", "")
	for i, a := range body {
		if a == "-an" { // where the output options begin
			return append(body[:i:i], output...)
		}
	}
	l.b.Fatal("the arguments have lost their -an")
	return nil
}

// makeClip films something: a panned texture with detail at every scale, a
// ball that bounces, grain, sound. x264 needs as many bits for it as for
// people in a hall.
func (l *lab) makeClip(name string, fps int, seconds float64) string {
	still := l.path("still.png")
	if _, err := os.Stat(still); err != nil {
		ffmpegtest.FFmpeg(l.b, "-filter_complex", texture(), "-map", "[still]", "-frames:v", "1", still)
	}
	path := l.path(name)
	rate := strconv.Itoa(fps)
	ffmpegtest.FFmpeg(l.b, "-i", still, "-f", "lavfi", "-i", "sine=frequency=440", "-filter_complex",
		"[0:v]format=yuv420p,setsar=1,loop=-1:1,setpts=N/"+rate+"/TB,fps="+rate+
			",crop=1920:1080:x='(iw-ow)/2*(1+sin(t*0.7))':y='(ih-oh)/2*(1+sin(t*0.45+1))'[hall];"+
			ball+",setpts=N/"+rate+"/TB[ball];"+
			"[hall][ball]overlay=x='860+700*sin(t*1.9)':y='800-600*abs(sin(t*3.1))',noise=alls=4:allf=t,"+bt709+"[v]",
		"-map", "[v]", "-map", "1:a", "-t", fmt.Sprint(seconds),
		"-c:v", "libx264", "-preset", "superfast", "-profile:v", "high", "-b:v", "8M", "-maxrate", "10M", "-bufsize", "10M", "-pix_fmt", "yuv420p",
		"-c:a", "aac", "-b:a", "128k", path)
	return path
}

const ball = "color=white:s=200x200:r=30,format=yuva420p," +
	"geq=lum='160+60*sin(hypot(X-70,Y-70)/18)':cb=90:cr=190:a='255*lt(hypot(X-100,Y-100),98)',trim=end_frame=1,loop=-1:1"

// texture draws one picture, larger than the clip's, out of noise of five
// sizes; the coarsest has most of the colour.
func texture() string {
	octave := func(width, height int, contrast float64, colour int, out string) string {
		return fmt.Sprintf("color=gray:s=%dx%d:d=0.1:r=10,format=yuv444p,noise=c0s=100:c1s=%[4]d:c2s=%[4]d:all_seed=%[1]d,"+
			"lutyuv=y='(val-128)*%[3]g+128',scale=2880:1620:flags=bicubic[%[5]s];", width, height, contrast, colour, out)
	}
	return octave(12, 7, 2.6, 60, "a") + octave(40, 23, 1.6, 40, "b") + octave(120, 68, 1.4, 20, "c") +
		octave(480, 270, 1, 10, "d") + octave(1440, 810, 0.8, 0, "e") +
		"[a][b]blend=all_mode=average[ab];[ab][c]blend=all_expr='A*0.7+B*0.3'[abc];" +
		"[abc][d]blend=all_expr='A*0.85+B*0.15'[abcd];[abcd][e]blend=all_expr='A*0.94+B*0.06',trim=end_frame=1[still]"
}
