package chart

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The picture, in units that a page scales; the writing is to be readable on a
// phone, where a unit is less than a pixel.
const (
	width, height = 480, 220
	left, right   = 52, 372
	top, bottom   = 12, 192
	lineHeight    = 15
	labelRunes    = 14
	markers       = 8 // about so many on a line
	dashed, open  = "6 4", "2 3"
)

type drawing struct {
	Spec
	m *markup
	x timeAxis
	y valueAxis
}

func (d drawing) svg() {
	d.m.open("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox", "0 0 480 220", "role", "img", "font-size", "13", "font-variant", "tabular-nums",
		"fill", "currentColor")
	d.m.element("title", d.Title)
	if d.empty() {
		d.m.element("desc", d.Words.NoData)
		d.m.element("text", d.Words.NoData, "class", "empty", "x", number(width/2), "y", number(height/2), "text-anchor", "middle")
		d.m.close("svg")
		return
	}
	d.m.element("desc", d.describe())
	d.axes()
	heights := d.labelHeights()
	for i, s := range d.Series {
		d.series(i, s, heights[i])
	}
	d.m.close("svg")
}

func (d drawing) axes() {
	d.m.open("g", "class", "axis")
	for _, t := range d.y.ticks {
		y := bottom - t.at*(bottom-top)
		d.m.single("line", "x1", number(left), "x2", number(right), "y1", number(y), "y2", number(y), "stroke", "currentColor", "stroke-opacity", "0.2")
		d.m.element("text", t.label, "x", number(left-6), "y", number(y+4), "text-anchor", "end")
	}
	for _, t := range d.x.ticks {
		x := left + t.at*(right-left)
		d.m.single("line", "x1", number(x), "x2", number(x), "y1", number(bottom), "y2", number(bottom+4), "stroke", "currentColor", "stroke-opacity", "0.5")
		d.m.element("text", t.label, "x", number(x), "y", number(bottom+lineHeight+3), "text-anchor", "middle")
	}
	d.m.close("g")
}

func (d drawing) at(p Point) (x, y float64) {
	return left + d.x.place(p.At)*(right-left), bottom - d.y.place(p.Value)*(bottom-top)
}

// gap reports whether no line leads from one point to the next.
func (s Spec) gap(a, b Point) bool {
	return a.missing() || b.missing() || s.Step > 0 && b.At.Sub(a.At) > s.Step*3/2
}

// pieces are the parts of a line without gaps.
func (s Spec) pieces(points []Point) [][]Point {
	var out [][]Point
	for i, p := range points {
		switch {
		case p.missing():
		case i == 0 || s.gap(points[i-1], p):
			out = append(out, points[i:i+1])
		default:
			last := &out[len(out)-1]
			*last = points[i-len(*last) : i+1]
		}
	}
	return out
}

// closed is how many of the points lie before the interval that is not over.
func (s Spec) closed(points []Point) int {
	if s.Open.IsZero() {
		return len(points)
	}
	n, _ := slices.BinarySearchFunc(points, s.Open, func(p Point, t time.Time) int { return p.At.Compare(t) })
	return n
}

// series draws one line: its own marker tells it from others without colour.
func (d drawing) series(i int, s Series, labelY float64) {
	d.m.open("g", "class", strings.TrimSpace("series s"+strconv.Itoa(i)+" "+s.Class))
	dash := ""
	if s.Dashed {
		dash = dashed
	}
	for _, p := range d.pieces(s.Points) {
		n := d.closed(p)
		d.line(p[:n], "line", dash)
		d.line(p[max(0, n-1):], "line open", open)
	}
	for k, p := range s.Points {
		if s.marked(d.Spec, k) {
			d.marker(i, p)
		}
	}
	if last, _, ok := s.summary(); ok {
		_, y := d.at(last)
		d.m.single("line", "x1", number(right+1), "x2", number(right+8), "y1", number(y), "y2", number(labelY), "stroke", "currentColor", "stroke-opacity", "0.5")
		d.m.element("text", short(s.Label), "class", "label", "x", number(right+11), "y", number(labelY+4))
	}
	d.m.close("g")
}

// marked reports whether a point gets a marker: some do, the last one, and those
// that no line leads to.
func (s Series) marked(spec Spec, k int) bool {
	last := len(s.Points) - 1
	if s.Points[k].missing() {
		return false
	}
	alone := (k == 0 || spec.gap(s.Points[k-1], s.Points[k])) && (k == last || spec.gap(s.Points[k], s.Points[k+1]))
	return alone || (last-k)%max(1, len(s.Points)/markers) == 0
}

func (d drawing) line(points []Point, class, dash string) {
	if len(points) < 2 {
		return // its marker shows it
	}
	var path strings.Builder
	for i, p := range points {
		x, y := d.at(p)
		command := "L"
		if i == 0 {
			command = "M"
		}
		path.WriteString(command + number(x) + " " + number(y))
	}
	d.m.single("path", "class", class, "d", path.String(), "fill", "none", "stroke", "currentColor", "stroke-width", "2", "stroke-dasharray", dash)
}

// marker is a disc, a square, a triangle, a rhomb or a bar.
func (d drawing) marker(i int, p Point) {
	x, y := d.at(p)
	if i%5 == 0 {
		d.m.single("circle", "class", "marker", "cx", number(x), "cy", number(y), "r", "3")
		return
	}
	shape := []string{"", "m-3 -3h6v6h-6z", "m0 -4l4 7h-8z", "m0 -4l4 4l-4 4l-4 -4z", "m-1 -5h2v10h-2z"}[i%5]
	d.m.single("path", "class", "marker", "d", "M"+number(x)+" "+number(y)+shape)
}

func short(label string) string {
	r := []rune(label)
	if len(r) > labelRunes {
		return string(r[:labelRunes-1]) + "…"
	}
	return label
}

// labelHeights puts each label near its line's end, none over another.
func (d drawing) labelHeights() []float64 {
	out := make([]float64, len(d.Series))
	var order []int
	for i, s := range d.Series {
		if last, _, ok := s.summary(); ok {
			_, out[i] = d.at(last)
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(out[a], out[b]) })
	least := float64(top)
	for _, i := range order {
		out[i] = max(out[i], least)
		least = out[i] + lineHeight
	}
	most := float64(bottom)
	for _, i := range slices.Backward(order) {
		out[i] = min(out[i], most)
		most = out[i] - lineHeight
	}
	return out
}
