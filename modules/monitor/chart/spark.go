package chart

import (
	"html/template"
	"strings"
	"time"
)

const sparkWidth, sparkHeight = 120, 24

// Spark draws a small line from the bottom, 0, to the greatest of values that
// are equally far apart, with gaps where one is no finite number. Screen readers
// say the label, and skip the picture without one: its page has the numbers.
func Spark(label string, values []float64) template.HTML {
	var points []Point
	for i, v := range values {
		points = append(points, Point{time.Unix(int64(i), 0), max(0, v)})
	}
	s := Spec{Step: time.Second, Series: []Series{{Points: points}}}
	_, most, some := s.Series[0].summary()
	at := func(p Point) string {
		x := 2 + float64(p.At.Unix())/float64(max(1, len(values)-1))*(sparkWidth-4)
		y := sparkHeight - 2.0
		if most.Value > 0 {
			y -= p.Value / most.Value * (sparkHeight - 4)
		}
		return number(x) + " " + number(y)
	}
	var path strings.Builder
	for _, piece := range s.pieces(points) {
		path.WriteString("M" + at(piece[0]))
		for _, p := range piece[1:] {
			path.WriteString("L" + at(p))
		}
		if len(piece) == 1 {
			path.WriteString("h0") // with round ends a dot
		}
	}
	role, hidden := "img", ""
	if label == "" {
		role, hidden = "", "true"
	}
	var m markup
	m.open("svg", "xmlns", "http://www.w3.org/2000/svg", "class", "spark", "viewBox", "0 0 120 24", "width", "120", "height", "24", "role", role, "aria-hidden", hidden)
	if label != "" {
		m.element("title", label)
	}
	if some {
		m.single("path", "d", path.String(), "fill", "none", "stroke", "currentColor", "stroke-width", "1.5", "stroke-linecap", "round")
	}
	m.close("svg")
	return m.html()
}
