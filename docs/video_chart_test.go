package docs_test

import (
	"fmt"
	"html"
	"strings"
)

// bar is one line of a chart.
type bar struct {
	label string
	value float64
	ours  bool
}

// chart draws what each way to make the video costs.
func (r report) chart() string {
	if r.Quick {
		return `<svg xmlns="http://www.w3.org/2000/svg" width="240" height="40"><text x="20" y="25">` + notMeasured + "</text></svg>\n"
	}
	floor := 0.0
	for _, p := range r.Pairs.Pairs {
		floor += (p.Decode.CPU + p.X264.CPU) / float64(len(r.Pairs.Pairs))
	}
	cpu, bytes := []bar{}, []bar{}
	var words []string
	for i, w := range r.Ways.Ways {
		cpu = append(cpu, bar{w.Name, w.CPU, i == 0})
		bytes = append(bytes, bar{w.Name, float64(w.File) / 1e6, i == 0})
		words = append(words, fmt.Sprintf("%s %.1f s and %.1f MB", w.Name, w.CPU, float64(w.File)/1e6))
	}
	cpu = append(cpu, bar{"floor", floor, false})

	const width, line = 960, 32
	height := 112 + line*len(cpu)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="15">
  <title id="t">What a published video costs, ours and other ways</title>
  <desc id="d">At equal SSIM, processor time and size of the file: %s. Decoding and x264 alone: %.1f s.</desc>
`, width, height, width, height, html.EscapeString(strings.Join(words, "; ")), floor)
	b.WriteString(chartStyle)
	fmt.Fprintf(&b, `  <rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="10"/>`+"\n", width-1, height-1)
	panel(&b, 24, "CPU seconds of one video", "%.1f", cpu)
	panel(&b, 504, "Megabytes of the file", "%.2f", bytes)
	fmt.Fprintf(&b, `  <text class="small" x="24" y="%d">All at the same SSIM. %s, %s, %d cores, commit %s.</text>`+"\n</svg>\n",
		height-22, r.Date, html.EscapeString(r.Machine.CPU), r.Machine.Cores, html.EscapeString(r.Commit))
	return b.String()
}

// panel draws bars below a heading, 432 pixels wide.
func panel(b *strings.Builder, x int, heading, format string, bars []bar) {
	const labels, length, line = 118, 240.0, 32
	most := 0.0
	for _, v := range bars {
		most = max(most, v.value)
	}
	fmt.Fprintf(b, `  <text class="name" x="%d" y="42">%s</text>`+"\n", x, heading)
	for i, v := range bars {
		y := 62 + i*line
		class := "bar"
		if v.ours {
			class = "ours"
		}
		long := length * v.value / most
		fmt.Fprintf(b, `  <text x="%d" y="%d" text-anchor="end">%s</text><rect class="%s" x="%d" y="%d" width="%.1f" height="20" rx="3"/><text class="small" x="%.1f" y="%d">%s</text>`+"\n",
			x+labels-10, y+15, html.EscapeString(v.label), class, x+labels, y, long, float64(x+labels)+long+8, y+15, fmt.Sprintf(format, v.value))
	}
}

const chartStyle = `  <style>
    .page { fill: #ffffff; stroke: #d0d7de }
    .bar { fill: #8a97a5 }
    .ours { fill: #d9730d }
    text { fill: #1f2933 }
    .small { font-size: 12.5px; fill: #52606d }
    .name { font-weight: 600 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #14181d; stroke: #3a424c }
      .bar { fill: #7d8a98 }
      .ours { fill: #f0a04b }
      text { fill: #e6eaee }
      .small { fill: #aab4be }
    }
  </style>
`
