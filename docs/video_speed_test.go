package docs_test

import (
	"fmt"
	"slices"
	"strings"
)

// report is what BenchmarkVideo of modules/processing wrote, as far as it is
// shown.
type report struct {
	Quick   bool   `json:"quick"`
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	Machine struct {
		CPU    string  `json:"cpu"`
		Cores  int     `json:"cores"`
		Kernel string  `json:"kernel"`
		FFmpeg string  `json:"ffmpeg"`
		Go     string  `json:"go"`
		Load   float64 `json:"load"`
	} `json:"machine"`
	Clip struct {
		Seconds float64 `json:"seconds"`
		Frames  int64   `json:"frames"`
		Size    string  `json:"size"`
		Rate    float64 `json:"rate"`
	} `json:"clip"`
	Floor struct {
		Reading float64 `json:"reading"`
	} `json:"floor"`
	Pairs struct {
		Pairs []struct {
			Job struct {
				CPU     float64 `json:"cpu"`
				Inspect float64 `json:"inspect"`
				Encode  float64 `json:"encode"`
				Join    float64 `json:"join"`
				Check   float64 `json:"check"`
				Own     float64 `json:"own"`
			} `json:"job"`
			Decode struct {
				CPU float64 `json:"cpu"`
			} `json:"decode"`
			X264 struct {
				CPU float64 `json:"cpu"`
			} `json:"x264"`
			Ratio float64 `json:"ratio"`
		} `json:"pairs"`
		Ratio  float64 `json:"ratio"`
		Target float64 `json:"target"`
	} `json:"pairs"`
	Ways struct {
		Tolerance  float64 `json:"tolerance"`
		Ways       []way   `json:"ways"`
		BodyRatio  float64 `json:"body_ratio"`
		FileRatio  float64 `json:"file_ratio"`
		FileTarget float64 `json:"file_target"`
		Smaller    bool    `json:"smaller_than_the_rest"`
	} `json:"ways"`
	Two struct {
		Clip     float64 `json:"clip"`
		JobGain  float64 `json:"job_gain"`
		BareGain float64 `json:"bare_gain"`
		Share    float64 `json:"share"`
		Target   float64 `json:"target"`
	} `json:"two"`
	Memory []struct {
		Input  string `json:"input"`
		FFmpeg int64  `json:"ffmpeg"`
		Own    int64  `json:"own"`
	} `json:"memory"`
	Changes []struct {
		Input   string  `json:"input"`
		SSIM    float64 `json:"ssim"`
		Changes []struct {
			Name  string  `json:"name"`
			Note  string  `json:"note"`
			CPU   float64 `json:"cpu"`
			SSIM  float64 `json:"ssim"`
			Bytes float64 `json:"bytes"`
			Equal float64 `json:"equal"`
		} `json:"changes"`
	} `json:"changes"`
}

type way struct {
	Name string  `json:"name"`
	What string  `json:"what"`
	CRF  float64 `json:"crf"`
	SSIM float64 `json:"ssim"`
	Body int64   `json:"body"`
	File int64   `json:"file"`
	CPU  float64 `json:"cpu"`
}

// notMeasured stands in for the figures of a quick run, which are too rough.
const notMeasured = "Not measured yet."

func (r report) blocks() []block {
	blocks := []block{
		{"measured", r.measured()},
		{"targets", r.targets()},
		{"stages", r.stages()},
		{"ways", r.ways()},
		{"memory", r.memory()},
		{"changes", r.changes()},
	}
	if r.Quick {
		for i := range blocks {
			blocks[i].text = notMeasured + "\n"
		}
	}
	return blocks
}

func (r report) measured() string {
	return fmt.Sprintf("Measured on %s at commit `%s`: %s, %d cores, Linux %s, ffmpeg %s, %s, load %.1f before. "+
		"The clip: %g s of %s at %.1f Mbit/s, %d frames published.\n", r.Date, r.Commit, r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel,
		r.Machine.FFmpeg, strings.Replace(r.Machine.Go, "go", "Go ", 1), r.Machine.Load, r.Clip.Seconds, r.Clip.Size, r.Clip.Rate/1e6, r.Clip.Frames)
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "**missed**"
}

func (r report) targets() string {
	var b strings.Builder
	b.WriteString("| What | Target | Measured | |\n|---|--:|--:|---|\n")
	row := func(what, target, measured string, ok bool) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", what, target, measured, met(ok))
	}
	row(fmt.Sprintf("CPU of a whole job, of its floor (median of %d pairs)", len(r.Pairs.Pairs)),
		fmt.Sprintf("≤ %.2f", r.Pairs.Target), fmt.Sprintf("%.2f", r.Pairs.Ratio), r.Pairs.Ratio <= r.Pairs.Target)
	row("Bytes of the file at equal SSIM, of the single pass's", fmt.Sprintf("≤ %.2f", r.Ways.FileTarget),
		fmt.Sprintf("%.2f", r.Ways.FileRatio), r.Ways.FileRatio <= r.Ways.FileTarget)
	row("Bytes of the body alone, the same", fmt.Sprintf("≤ %.2f", r.Ways.FileTarget),
		fmt.Sprintf("%.2f", r.Ways.BodyRatio), r.Ways.BodyRatio <= r.Ways.FileTarget)
	for _, w := range r.Ways.Ways[2:] {
		ratio := float64(r.Ways.Ways[0].File) / float64(w.File)
		row("Bytes at equal SSIM, of "+w.Name, "< 1.00", fmt.Sprintf("%.2f", ratio), ratio < 1)
	}
	row(fmt.Sprintf("Gain of two jobs on %d cores (%.2f), of that of two bare ffmpegs (%.2f)", r.Machine.Cores, r.Two.JobGain, r.Two.BareGain),
		fmt.Sprintf("≥ %.2f", r.Two.Target), fmt.Sprintf("%.2f", r.Two.Share), r.Two.Share >= r.Two.Target)
	return b.String()
}

func (r report) stages() string {
	column := func(value func(i int) float64) float64 {
		var all []float64
		for i := range r.Pairs.Pairs {
			all = append(all, value(i))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	at := r.Pairs.Pairs
	decode := column(func(i int) float64 { return at[i].Decode.CPU })
	x264 := column(func(i int) float64 { return at[i].X264.CPU })
	filters := column(func(i int) float64 { return at[i].Job.Encode - at[i].Decode.CPU - at[i].X264.CPU })
	total := column(func(i int) float64 { return at[i].Job.CPU })
	var b strings.Builder
	b.WriteString("| Part of a job | CPU s | Share |\n|---|--:|--:|\n")
	row := func(what string, seconds float64) {
		fmt.Fprintf(&b, "| %s | %.2f | %.1f %% |\n", what, seconds, 100*seconds/total)
	}
	row("decoding (floor)", decode)
	row("x264 (floor)", x264)
	row("filters, that is encoding less its floor", filters)
	row("inspecting", column(func(i int) float64 { return at[i].Job.Inspect }))
	row("joining", column(func(i int) float64 { return at[i].Job.Join }))
	row("checking, hashing", column(func(i int) float64 { return at[i].Job.Check }))
	row("**whole job**", total)
	row("of all this, our own process", column(func(i int) float64 { return at[i].Job.Own }))
	fmt.Fprintf(&b, "\nReading raw frames, %.2f s of the floor's x264, is no work of a job; the targets leave it in.\n", r.Floor.Reading)
	return b.String()
}

func (r report) ways() string {
	var b strings.Builder
	b.WriteString("| Way | CPU s | Of ours | File, MB | Of ours | Body, MB | SSIM | crf | What |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
	ours := r.Ways.Ways[0]
	for _, w := range r.Ways.Ways {
		fmt.Fprintf(&b, "| %s | %.1f | %.2f | %.2f | %.2f | %.2f | %.4f | %g | %s |\n", w.Name, w.CPU, w.CPU/ours.CPU,
			float64(w.File)/1e6, float64(w.File)/float64(ours.File), float64(w.Body)/1e6, w.SSIM, w.CRF, w.What)
	}
	return b.String()
}

func (r report) memory() string {
	var b strings.Builder
	b.WriteString("| Clip | ffmpeg, MiB | our process, MiB |\n|---|--:|--:|\n")
	for _, m := range r.Memory {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", m.Input, m.FFmpeg>>20, m.Own>>20)
	}
	return b.String()
}

func (r report) changes() string {
	var b strings.Builder
	for i, f := range r.Changes {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "| %s | CPU | Bytes | SSIM | Bytes at equal SSIM | |\n|---|--:|--:|--:|--:|---|\n", f.Input)
		fmt.Fprintf(&b, "| **ours** | 1.00 | 1.00 | %.4f | 1.00 | |\n", f.SSIM)
		for _, c := range f.Changes {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.4f | %.2f | %s |\n", c.Name, c.CPU, c.Bytes, c.SSIM, c.Equal, c.Note)
		}
	}
	return b.String()
}
