package processing

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// change is one thing done otherwise, compared with our recipe on the same
// excerpt of the same clip.
type change struct {
	Name     string    `json:"name"`
	Note     string    `json:"note"`
	Relative []float64 `json:"relative"` // processor time of the body, ours is 1
	CPU      float64   `json:"cpu"`      // median of them
	SSIM     float64   `json:"ssim"`     // with the frames of a slow, exact scaler
	Bytes    float64   `json:"bytes"`    // of the body, ours is 1
	Equal    float64   `json:"equal"`    // Bytes, had it our SSIM
	alter    func(args []string) []string
}

// family are changes of one excerpt.
type family struct {
	Input   string   `json:"input"`
	SSIM    float64  `json:"ssim"`  // of our recipe
	Slope   float64  `json:"slope"` // of the logarithm of bytes over SSIM, near our quality
	Changes []change `json:"changes"`
	job     Job
}

// changes measures them, all of a family and our recipe in turns.
func (l *lab) changes() []family {
	all := []family{
		{Input: "1080p at 30 a second", job: l.job, Changes: generalChanges()},
		{Input: "1080p at 60 a second", job: l.inspected(l.makeClip("sixty.mp4", 60, 1+float64(l.size.excerpt)/30)), Changes: []change{
			{Name: "rate after scaling", Note: "scales what is thrown away", alter: inFilter(rateLast)},
		}},
		{Input: "1080p, beginning late", job: l.late(), Changes: []change{
			{Name: "trim filter instead of seeking", Note: "decodes all that comes before", alter: trimmed},
		}},
	}
	for i := range all {
		l.tryFamily(&all[i])
	}
	return all
}

// late is a job that begins as far into the clip as its length allows.
func (l *lab) late() Job {
	j := l.job
	j.Start = j.Source.Duration - time.Duration(l.size.excerpt+30)*time.Second/30
	return j
}

func generalChanges() []change {
	return []change{
		{Name: "2 threads", Note: "for one job alone on two cores", alter: threads("2")},
		{Name: "threads by ffmpeg", Note: "its default", alter: threads("0")},
		{Name: "2 sliced threads", Note: "less delay, more bytes", alter: both(threads("2"), x264("sliced-threads=1"))},
		{Name: "scaler bilinear", Note: "blurs", alter: scaler("bilinear")},
		{Name: "scaler fast_bilinear", Note: "blurs, and worse", alter: scaler("fast_bilinear")},
		{Name: "scaler area", Note: "blurs", alter: scaler("area")},
		{Name: "scaler lanczos", Note: "sharper than can be seen", alter: scaler("lanczos")},
		{Name: "overlay chooses its format", Note: "format=auto instead of yuv420", alter: inFilter(func(f string) string { return strings.ReplaceAll(f, ",format=yuv420p,setparams", ",setparams") })},
		{Name: "a guessed colour matrix", Note: "the trap: converts BT.601 that was none", alter: inFilter(func(f string) string {
			return strings.ReplaceAll(f, ":out_color_matrix", ":in_color_matrix=bt601:out_color_matrix")
		})},
		{Name: "decoder skips its loop filter", Note: "lossy, and it drifts", alter: before("-skip_loop_filter", "all")},
		{Name: "x264 without mbtree", Note: "spreads bits less wisely", alter: x264("no-mbtree=1")},
		{Name: "x264 looks 20 frames ahead", Note: "instead of 10; holds as many more", alter: x264("rc-lookahead=20")},
		{Name: "x264 looks 5 frames ahead", Note: "sees less of what comes", alter: x264("rc-lookahead=5")},
		{Name: "x264 weightp=0", Note: "fades cost more", alter: x264("weightp=0")},
		{Name: "x264 subme=1", Note: "searches motion less finely", alter: x264("subme=1")},
		{Name: "x264 me=dia", Note: "searches motion less widely", alter: x264("me=dia")},
		{Name: "x264 aq-mode=3", Note: "for dark scenes; SSIM does not see it", alter: x264("aq-mode=3")},
		{Name: "x264 without AVX-512", Note: "lower clock on some processors", alter: x264("asm=avx2")},
		{Name: "key frame every 2 s", Note: "seeking is quicker", alter: option("-g", "60")},
		{Name: "key frame every 4 s", Note: "", alter: option("-g", "120")},
		{Name: "key frame every 8.3 s", Note: "x264's default; seeking is slower", alter: option("-g", "250")},
		{Name: "preset superfast", Note: "", alter: option("-preset", "superfast")},
		{Name: "preset faster", Note: "", alter: option("-preset", "faster")},
		{Name: "preset medium", Note: "", alter: option("-preset", "medium")},
	}
}

func (l *lab) tryFamily(f *family) {
	p := l.config.plan(f.job.Source, f.job.Start)
	ours := l.config.bodyArgs(f.job, p, l.encoder.artwork().watermark, "", "")
	ours = option("-frames:v", strconv.FormatInt(l.size.excerpt, 10))(ours)
	exact := inFilter(func(s string) string {
		return strings.ReplaceAll(s, "flags=bicubic", "flags=lanczos+accurate_rnd+full_chroma_int")
	})(ours)
	exact = append(exact[:slices.Index(exact, "-an")], "-pix_fmt", "yuv420p", "-f", "rawvideo", "-y", l.path("exact.yuv"))
	l.bare("ffmpeg", exact...)

	try := func(args []string) cost {
		args[len(args)-1] = l.path("try.mp4")
		return measured(func() { l.bare("ffmpeg", append([]string{"-v", "error"}, args...)...) })
	}
	judge := func() (ssim float64, bytes int64) {
		ssim, err := l.ssim(l.path("try.mp4"), 0, l.size.excerpt, l.path("exact.yuv"))
		require.NoError(l.b, err)
		return ssim, l.bodyBytes(l.path("try.mp4"), 0, l.size.excerpt)
	}
	try(ours)
	base, baseBytes := judge()
	better, worse := option("-crf", strconv.Itoa(l.config.CRF-1))(ours), option("-crf", strconv.Itoa(l.config.CRF+1))(ours)
	try(better)
	betterSSIM, betterBytes := judge()
	try(worse)
	worseSSIM, worseBytes := judge()
	f.SSIM, f.Slope = base, math.Log(float64(betterBytes)/float64(worseBytes))/(betterSSIM-worseSSIM)

	for range l.size.rounds {
		earlier := try(ours).CPU
		for some := range slices.Chunk(f.Changes, 4) { // a machine is not as fast now as it was a minute ago
			var cpu []float64
			for i := range some {
				c := &some[i]
				cpu = append(cpu, try(c.alter(slices.Clone(ours))).CPU)
				if c.Bytes == 0 {
					ssim, bytes := judge()
					c.SSIM, c.Bytes = ssim, float64(bytes)/float64(baseBytes)
					c.Equal = c.Bytes * math.Exp(f.Slope*(base-ssim))
				}
			}
			later := try(ours).CPU
			for i := range some {
				some[i].Relative = append(some[i].Relative, cpu[i]/((earlier+later)/2))
			}
			earlier = later
		}
		l.say("%s: %d changes tried", f.Input, len(f.Changes))
	}
	for i := range f.Changes {
		f.Changes[i].CPU = median(f.Changes[i].Relative)
	}
}

type alteration = func(args []string) []string

func both(a, b alteration) alteration { return func(args []string) []string { return b(a(args)) } }

// option replaces the value of an option, the last one of that name.
func option(name, value string) alteration {
	return func(args []string) []string {
		args = slices.Clone(args)
		for i := len(args) - 2; i >= 0; i-- {
			if args[i] == name {
				args[i+1] = value
				return args
			}
		}
		panic("no option " + name)
	}
}

// threads are those of the decoder and of x264.
func threads(n string) alteration {
	return func(args []string) []string {
		args = slices.Clone(args)
		for i, a := range args {
			if a == "-threads" {
				args[i+1] = n
			}
		}
		return args
	}
}

func x264(param string) alteration {
	return func(args []string) []string {
		i := slices.Index(args, "-x264-params")
		return option("-x264-params", args[i+1]+":"+param)(args)
	}
}

func before(opts ...string) alteration {
	return func(args []string) []string { return append(opts, args...) }
}

func scaler(name string) alteration {
	return inFilter(func(f string) string { return strings.ReplaceAll(f, "flags=bicubic", "flags="+name) })
}

// inFilter must change something: else the recipe is no longer what the change
// was written for.
func inFilter(edit func(string) string) alteration {
	return func(args []string) []string {
		i := slices.Index(args, "-filter_complex")
		edited := edit(args[i+1])
		if edited == args[i+1] {
			panic("the change no longer fits the filters: " + edited)
		}
		return option("-filter_complex", edited)(args)
	}
}

// rateLast moves fps behind the scaler.
func rateLast(f string) string {
	const rate = ",fps=30"
	return strings.Replace(strings.Replace(f, rate, "", 1), ",format=yuv420p,pad", rate+",format=yuv420p,pad", 1)
}

// trimmed reads from the start of the file and throws away.
func trimmed(args []string) []string {
	i := slices.Index(args, "-ss")
	begin := args[i+1]
	args = slices.Delete(slices.Clone(args), i, i+2)
	args = option("-t", "3600")(args)
	return inFilter(func(f string) string {
		return strings.Replace(f, "setpts=PTS-STARTPTS", "trim=start="+begin+",setpts=PTS-STARTPTS", 1)
	})(args)
}
