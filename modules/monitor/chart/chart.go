// Package chart draws charts of the dashboard on the server, as SVG with no
// script and no style of its own: colours are those of CSS classes, else that of
// the text around. What it returns holds numbers and escaped text alone.
package chart

import (
	"html/template"
	"math"
	"slices"
	"strconv"
	"time"
)

// Spec is a chart of values over time.
type Spec struct {
	Title    string         // what screen readers say first
	From, To time.Time      // the time axis; what is outside is left out
	Step     time.Duration  // between two points; a longer way is a gap. Zero: no gaps
	Open     time.Time      // begin of the interval that is not over; what leads there is dashed. Zero: none
	Location *time.Location // of ticks and the table; nil: UTC
	Log      bool           // what is not above zero lies at the bottom
	Format   func(float64) string
	Words    Words
	Series   []Series
}

// Words are the texts of a chart, in the page's language.
type Words struct {
	NoData  string // instead of a chart without values
	Last    string // the latest value of a series
	Max     string // its greatest
	Time    string // head of the table's first column
	Numbers string // opens the table
}

// Series is one line.
type Series struct {
	Label  string
	Class  string // for CSS; colour is its business
	Dashed bool
	Points []Point
}

// Point is one value; one that is no finite number is missing.
type Point struct {
	At    time.Time
	Value float64
}

// Lines draws a chart, with its numbers in a table that unfolds. Each cell has
// data-at (RFC 3339, UTC), data-series and, unless it is missing, data-value
// (decimal). The table has the latest 200 times.
func Lines(s Spec) template.HTML {
	s = s.prepared()
	var m markup
	m.open("figure", "class", "chart")
	d := drawing{Spec: s, m: &m, x: s.timeAxis(), y: s.valueAxis()}
	d.svg()
	if !s.empty() {
		s.table(&m)
	}
	m.close("figure")
	return m.html()
}

// prepared returns s with what it leaves open filled in, and the points that
// count, in order. The caller's slices stay as they are.
func (s Spec) prepared() Spec {
	if s.Location == nil {
		s.Location = time.UTC
	}
	if s.Format == nil {
		s.Format = decimal
	}
	s.Series = slices.Clone(s.Series)
	for i := range s.Series {
		p := slices.DeleteFunc(slices.Clone(s.Series[i].Points), func(p Point) bool { return p.At.Before(s.From) || p.At.After(s.To) })
		slices.SortStableFunc(p, func(a, b Point) int { return a.At.Compare(b.At) })
		s.Series[i].Points = p
	}
	return s
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (p Point) missing() bool { return math.IsNaN(p.Value) || math.IsInf(p.Value, 0) }

// summary is the latest and the greatest value; false if there is none.
func (s Series) summary() (last, most Point, ok bool) {
	for _, p := range s.Points {
		if p.missing() {
			continue
		}
		if !ok || p.Value > most.Value {
			most = p
		}
		last, ok = p, true
	}
	return last, most, ok
}

func (s Spec) empty() bool {
	return !slices.ContainsFunc(s.Series, func(x Series) bool {
		_, _, ok := x.summary()
		return ok
	})
}

// describe says in words what the lines show.
func (s Spec) describe() string {
	text := ""
	for i, x := range s.Series {
		if i > 0 {
			text += "; "
		}
		text += x.Label + ": "
		if last, most, ok := x.summary(); ok {
			text += s.Words.Last + " " + s.Format(last.Value) + ", " + s.Words.Max + " " + s.Format(most.Value)
		} else {
			text += s.Words.NoData
		}
	}
	return text
}
