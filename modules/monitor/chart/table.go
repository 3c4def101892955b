package chart

import (
	"slices"
	"time"
)

const maxRows = 200

// table writes the numbers, as people read them and as programs do.
func (s Spec) table(m *markup) {
	m.open("details")
	m.element("summary", s.Words.Numbers)
	m.open("table", "class", "numbers")
	m.open("thead")
	m.open("tr")
	m.element("th", s.Words.Time, "scope", "col")
	for _, x := range s.Series {
		m.element("th", x.Label, "scope", "col")
	}
	m.close("tr")
	m.close("thead")
	m.open("tbody")
	times := s.times()
	for _, t := range times[max(0, len(times)-maxRows):] {
		s.row(m, t)
	}
	m.close("tbody")
	m.close("table")
	m.close("details")
}

// times are those at which any series has a point, in order.
func (s Spec) times() []time.Time {
	var out []time.Time
	for _, x := range s.Series {
		for _, p := range x.Points {
			out = append(out, p.At)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

func (s Spec) row(m *markup, t time.Time) {
	at := t.UTC().Format(time.RFC3339Nano)
	m.open("tr")
	m.open("th", "scope", "row")
	m.element("time", t.In(s.Location).Format("2006-01-02 15:04"), "datetime", at)
	m.close("th")
	for _, x := range s.Series {
		i, found := slices.BinarySearchFunc(x.Points, t, func(p Point, t time.Time) int { return p.At.Compare(t) })
		if !found || x.Points[i].missing() {
			m.element("td", "–", "data-at", at, "data-series", x.Label)
			continue
		}
		v := x.Points[i].Value
		m.element("td", s.Format(v), "data-at", at, "data-series", x.Label, "data-value", decimal(v))
	}
	m.close("tr")
}
