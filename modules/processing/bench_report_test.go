package processing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// videoReport is all that BenchmarkVideo measured: every sample, and what
// follows from them. docs/video_test.go reads it.
type videoReport struct {
	Quick   bool       `json:"quick"` // too rough to be shown
	Commit  string     `json:"commit"`
	Date    string     `json:"date"`
	Machine machine    `json:"machine"`
	Seconds int        `json:"seconds"` // that the benchmark took
	Clip    clipFacts  `json:"clip"`
	Floor   floorFacts `json:"floor"`
	Pairs   pairs      `json:"pairs"`
	Ways    ways       `json:"ways"`
	Two     twoAtOnce  `json:"two"`
	Memory  []peak     `json:"memory"`
	Changes []family   `json:"changes"`
	Digest  string     `json:"digest"` // SHA-256 of all this with an empty digest
}

type machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Kernel string  `json:"kernel"`
	FFmpeg string  `json:"ffmpeg"`
	Go     string  `json:"go"`
	Load   float64 `json:"load"` // of the last minute, when it began
}

type clipFacts struct {
	Seconds float64 `json:"seconds"` // of it that is used
	Frames  int64   `json:"frames"`
	Size    string  `json:"size"`
	Rate    float64 `json:"rate"` // bits a second
}

func (l *lab) clipFacts() clipFacts {
	s := l.job.Source
	return clipFacts{
		Seconds: l.config.ClipLength.Seconds(), Frames: l.frames(), Size: fmt.Sprintf("%dx%d", s.Width, s.Height),
		Rate: float64(l.fileSize(l.clip)*8) / s.Duration.Seconds(),
	}
}

func (l *lab) describe() *videoReport {
	r := &videoReport{Quick: l.quick, Commit: commit(), Date: time.Now().UTC().Format(time.DateOnly)}
	version, err := l.tools.Version(l.b.Context())
	require.NoError(l.b, err)
	first, _, _ := strings.Cut(version, " Copyright")
	r.Machine = machine{CPU: processor(), Cores: runtime.NumCPU(), FFmpeg: strings.TrimPrefix(first, "ffmpeg version "), Go: runtime.Version()}
	var name unix.Utsname
	require.NoError(l.b, unix.Uname(&name))
	r.Machine.Kernel = unix.ByteSliceToString(name.Release[:])
	load, err := os.ReadFile("/proc/loadavg")
	require.NoError(l.b, err)
	_, err = fmt.Sscan(string(load), &r.Machine.Load)
	require.NoError(l.b, err)
	return r
}

// commit names what was measured; git's "-dirty" says that it was changed.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	return cmp.Or(strings.TrimSpace(string(out)), fmt.Sprintf("unknown (%v)", err))
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// finish puts in the digest, so that nobody mends a figure by hand unseen.
func (r *videoReport) finish() {
	r.Digest = ""
	sum := sha256.Sum256(r.encode())
	r.Digest = hex.EncodeToString(sum[:])
}

func (r *videoReport) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		panic(err) // a NaN among the figures
	}
	return b.Bytes()
}

// write never lets a rough run take the place of a whole one.
func (r *videoReport) write(path string) error {
	if old, err := os.ReadFile(path); err == nil && r.Quick {
		var was struct {
			Quick bool `json:"quick"`
		}
		if err := json.Unmarshal(old, &was); err == nil && !was.Quick {
			return fmt.Errorf("write %s: it holds a whole run, this one was quick", path)
		}
	}
	return os.WriteFile(path, r.encode(), 0o644) //nolint:gosec // a document
}

func (r *videoReport) print(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("\n%s on %s, %d cores, load %.1f, %d s, quick: %v", r.Commit, r.Machine.CPU, r.Machine.Cores, r.Machine.Load, r.Seconds, r.Quick)
	p("job %.3f of the floor (at most %.2f)", r.Pairs.Ratio, r.Pairs.Target)
	stage := func(name string, of func(pair) float64) { p("  %-8s %6.2f s", name, medianOf(r.Pairs.Pairs, of)) }
	stage("job", func(x pair) float64 { return x.Job.CPU })
	stage("inspect", func(x pair) float64 { return x.Job.Inspect })
	stage("encode", func(x pair) float64 { return x.Job.Encode })
	stage("join", func(x pair) float64 { return x.Job.Join })
	stage("check", func(x pair) float64 { return x.Job.Check })
	stage("own", func(x pair) float64 { return x.Job.Own })
	stage("decode", func(x pair) float64 { return x.Decode.CPU })
	stage("x264", func(x pair) float64 { return x.X264.CPU })
	for _, v := range r.Ways.Ways {
		p("%-14s crf %5.2f SSIM %.4f body %8d file %8d CPU %6.2f", v.Name, v.CRF, v.SSIM, v.Body, v.File, v.CPU)
	}
	p("bytes of the single pass: body %.3f, file %.3f (at most %.2f); below the rest: %v",
		r.Ways.BodyRatio, r.Ways.FileRatio, r.Ways.FileTarget, r.Ways.OtherTarget)
	p("two at once: jobs %.2f, bare %.2f, share %.3f (at least %.2f)", r.Two.JobGain, r.Two.BareGain, r.Two.Share, r.Two.Target)
	for _, m := range r.Memory {
		p("memory %-22s ffmpeg %4d MiB, own %3d MiB", m.Input, m.FFmpeg>>20, m.Own>>20)
	}
	for _, f := range r.Changes {
		p("%s: SSIM %.4f", f.Input, f.SSIM)
		for _, c := range f.Changes {
			p("  %-32s CPU %.3f bytes %.3f SSIM %.4f bytes at equal SSIM %.3f", c.Name, c.CPU, c.Bytes, c.SSIM, c.Equal)
		}
	}
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

func medianOf[T any](all []T, value func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = value(v)
	}
	return median(values)
}

func TestMedian_IsInTheMiddleOfAnyOrder(t *testing.T) {
	t.Parallel()
	require.Zero(t, median(nil))
	require.InDelta(t, 2, median([]float64{9, 2, 1}), 0)
	require.InDelta(t, 2.5, median([]float64{4, 2, 3, 1}), 0)
}

func TestNextCRF_FollowsTheLastTwoTrials(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 22, nextCRF([]trial{{23, 0.970}}, 0.974), 1e-9)
	require.InDelta(t, 22.4, nextCRF([]trial{{20, 0.980}, {22, 0.970}}, 0.968), 1e-9)
	require.InDelta(t, 51, nextCRF([]trial{{50, 0.5}}, 0.1), 0, "never out of x264's range")
}

func TestVideoReport_KeepsAWholeRunFromAQuickOne(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/bench.json"
	whole, quick := &videoReport{Commit: "whole"}, &videoReport{Commit: "quick", Quick: true}
	require.NoError(t, quick.write(path))
	require.NoError(t, whole.write(path))
	require.ErrorContains(t, quick.write(path), "it holds a whole run")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, whole.encode(), kept)
}
