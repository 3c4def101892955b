package chart

import (
	"encoding/xml"
	"errors"
	"flag"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the charts that the tests expect")

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func words() Words {
	return Words{NoData: "Sin datos.", Last: "último", Max: "máximo", Time: "Hora", Numbers: "Ver los números"}
}

// every makes points a minute apart from noon on.
func every(values ...float64) []Point {
	var out []Point
	for i, v := range values {
		out = append(out, Point{noon().Add(time.Duration(i) * time.Minute), v})
	}
	return out
}

func spec(series ...Series) Spec {
	return Spec{Title: "Trabajos por minuto", From: noon(), To: noon().Add(10 * time.Minute), Step: time.Minute, Words: words(), Series: series}
}

// elements parses a chart, which has to be well formed, and lists its elements.
func elements(t *testing.T, h template.HTML) []xml.StartElement {
	t.Helper()
	var out []xml.StartElement
	for d := xml.NewDecoder(strings.NewReader(string(h))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err, h)
		if e, ok := token.(xml.StartElement); ok {
			out = append(out, e.Copy())
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// having are the elements of one name and class.
func having(t *testing.T, h template.HTML, name, class string) []xml.StartElement {
	t.Helper()
	var out []xml.StartElement
	for _, e := range elements(t, h) {
		if e.Name.Local == name && attribute(e, "class") == class {
			out = append(out, e)
		}
	}
	return out
}

func TestCharts_AreAsDrawnBefore(t *testing.T) {
	t.Parallel()
	bogota := time.FixedZone("-05", -5*3600)
	two := spec(
		Series{Label: "entran", Class: "in", Points: every(1, 4, 2.5, 0, 3, math.NaN(), 5, 6, 7, 8, 2)},
		Series{Label: "terminan", Class: "out", Dashed: true, Points: every(0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4)},
	)
	two.Open, two.Location = noon().Add(10*time.Minute), bogota
	logarithmic := spec(Series{Label: "espera p95", Points: every(0.5, 12, 900, 0, 40)}, Series{Label: "sin nada"})
	logarithmic.Log = true
	logarithmic.Format = func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) + " s" }
	for name, got := range map[string]template.HTML{
		"two.html":   Lines(two),
		"log.html":   Lines(logarithmic),
		"empty.html": Lines(spec(Series{Label: "entran"})),
		"spark.html": Spark("CPU de w1", []float64{0, 1, math.NaN(), 2, math.NaN(), 3, 3}),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			continue
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestLines_SayThatThereIsNothing(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Spec{
		"no series":      spec(),
		"no points":      spec(Series{Label: "a"}),
		"no numbers":     spec(Series{Label: "a", Points: every(math.NaN(), math.Inf(1), math.Inf(-1))}),
		"outside":        spec(Series{Label: "a", Points: []Point{{noon().Add(-1), 5}, {noon().Add(11 * time.Minute), 5}}}),
		"no time at all": {Words: words(), Series: []Series{{Points: every(1, 2)}}},
	} {
		got := Lines(s)
		require.Contains(t, got, ">Sin datos.</text>", name)
		require.NotContains(t, got, "<table", name)
		require.NotContains(t, got, "NaN", name)
		elements(t, got)
	}
}

func TestLines_EscapeEveryText(t *testing.T) {
	t.Parallel()
	const bad = "\"'><script>alert(1)</script>\x00\x1b[31m\u202e\xff</svg></table>&"
	s := spec(Series{Label: bad, Class: bad, Points: every(1, 2)}, Series{Label: bad + bad, Points: every(3, math.NaN())})
	s.Title, s.Format = bad, func(float64) string { return bad }
	s.Words = Words{bad, bad, bad, bad, bad}
	for _, got := range []template.HTML{Lines(s), Lines(spec(Series{Label: bad})), Spark(bad, []float64{1, 2})} {
		require.NotContains(t, got, "<script")
		require.NotContains(t, got, "\x00")
		require.NotContains(t, got, "\x1b")
		require.NotContains(t, got, "\u202e")
		for _, e := range elements(t, got) {
			require.Regexp(t, `^(figure|svg|title|desc|g|line|text|path|circle|details|summary|table|thead|tbody|tr|th|td|time)$`, e.Name.Local)
			for _, a := range e.Attr {
				require.Regexp(t, `^(xmlns|viewBox|width|height|role|class|font-size|font-variant|fill|aria-hidden|[xy][12]?|text-anchor|stroke(-\w+)?|d|c[xy]|r|scope|datetime|data-(at|series|value))$`, a.Name.Local)
			}
		}
	}
	require.Contains(t, string(Lines(s)), "alert(1)", "it is shown, as text")
}

func TestLines_TellTheNumbersExactly(t *testing.T) {
	t.Parallel()
	a, b := every(0.1, math.NaN(), 1e21), every(1, 2, 3)
	b[1].At = b[1].At.Add(1500 * time.Millisecond)
	got := Lines(spec(Series{Label: "a", Points: []Point{a[2], a[0], a[1]}}, Series{Label: "b", Points: b}))
	var cells []string
	for _, e := range having(t, got, "td", "") {
		cells = append(cells, attribute(e, "data-at")+" "+attribute(e, "data-series")+"="+attribute(e, "data-value"))
	}
	require.Equal(t, []string{
		"2026-03-01T12:00:00Z a=0.1", "2026-03-01T12:00:00Z b=1",
		"2026-03-01T12:01:00Z a=", "2026-03-01T12:01:00Z b=",
		"2026-03-01T12:01:01.5Z a=", "2026-03-01T12:01:01.5Z b=2",
		"2026-03-01T12:02:00Z a=1000000000000000000000", "2026-03-01T12:02:00Z b=3",
	}, cells)
	require.Contains(t, got, "<desc>a: último 1000000000000000000000, máximo 1000000000000000000000; b: último 3, máximo 3</desc>")
}

func TestLines_KeepTheLatestRows(t *testing.T) {
	t.Parallel()
	values := make([]float64, 500)
	for i := range values {
		values[i] = float64(i)
	}
	s := spec(Series{Label: "a", Points: every(values...)})
	s.To = noon().Add(24 * time.Hour)
	cells := having(t, Lines(s), "td", "")
	require.Len(t, cells, 200)
	require.Equal(t, "300", attribute(cells[0], "data-value"))
	require.Equal(t, "499", attribute(cells[199], "data-value"))
}

func TestLines_ShowGapsAndWhatIsNotOver(t *testing.T) {
	t.Parallel()
	s := spec(Series{Points: every(1, 1, math.NaN(), 1, math.NaN(), 1, 1, 1, 1)})
	s.Series[0].Points = append(s.Series[0].Points, Point{noon().Add(10 * time.Minute), 1}) // minute 9 is missing
	require.Len(t, having(t, Lines(s), "path", "line"), 2)
	require.Empty(t, having(t, Lines(s), "path", "line open"))
	s.Open = noon().Add(8 * time.Minute)
	open := having(t, Lines(s), "path", "line open")
	require.Len(t, open, 1)
	require.NotEmpty(t, attribute(open[0], "stroke-dasharray"))
	require.Empty(t, attribute(having(t, Lines(s), "path", "line")[0], "stroke-dasharray"))
	s.Step = 0
	require.Len(t, having(t, Lines(s), "path", "line"), 2, "without a step only missing values are gaps")
	s.Open = noon()
	require.Empty(t, having(t, Lines(s), "path", "line"))
	lone := spec(Series{Points: every(math.NaN(), 1, math.NaN())})
	require.Len(t, having(t, Lines(lone), "circle", "marker"), 1)
}

func TestLines_AreToldApartWithoutColour(t *testing.T) {
	t.Parallel()
	var all []Series
	for i := range 12 {
		all = append(all, Series{Label: "serie " + strconv.Itoa(i), Points: every(5, 5, 5)})
	}
	got := Lines(spec(all...))
	shapes := map[string]bool{}
	for _, e := range having(t, got, "path", "marker") {
		shapes[regexp.MustCompile(`m.*`).FindString(attribute(e, "d"))] = true
	}
	require.Len(t, shapes, 4, "and the disc")
	require.NotEmpty(t, having(t, got, "circle", "marker"))
	before := -100.0
	labels := having(t, got, "text", "label")
	require.Len(t, labels, 12)
	for _, e := range labels {
		y, err := strconv.ParseFloat(attribute(e, "y"), 64)
		require.NoError(t, err)
		require.GreaterOrEqual(t, y-before, float64(lineHeight))
		require.LessOrEqual(t, y, float64(height))
		require.Positive(t, y)
		before = y
	}
	require.Equal(t, "á23456789012345"[:14]+"…", short("á2345678901234567"))
}

func TestLines_DrawAnyNumbersInsideThePicture(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{
		{math.MaxFloat64, -math.MaxFloat64}, {math.SmallestNonzeroFloat64, 0}, {0, 0}, {-5, -3}, {1e-300, 1e300}, {7}, {1e15, 1e15 + 1},
	} {
		for _, log := range []bool{false, true} {
			s := spec(Series{Label: "a", Points: every(values...)})
			s.Log = log
			got := Lines(s)
			require.NotContains(t, got, "NaN")
			for _, e := range elements(t, got) {
				for _, a := range e.Attr {
					if n, err := strconv.ParseFloat(a.Value, 64); err == nil && regexp.MustCompile(`^[cxy]`).MatchString(a.Name.Local) {
						require.True(t, n >= 0 && n <= width, "%v log=%v: %s=%s", values, log, a.Name.Local, a.Value)
					}
				}
			}
		}
	}
}

func TestSpark_IsSkippedByScreenReadersWithoutALabel(t *testing.T) {
	t.Parallel()
	require.Contains(t, Spark("", []float64{1}), `aria-hidden="true"`)
	require.NotContains(t, Spark("", nil), "role")
	require.Contains(t, Spark("a", nil), `role="img"`)
	for _, values := range [][]float64{nil, {math.NaN()}, {math.Inf(1)}} {
		require.NotContains(t, Spark("", values), "<path")
	}
	require.NotContains(t, Spark("", []float64{0, -1, math.Inf(1)}), "NaN")
	elements(t, Spark("a", []float64{0, 0}))
}
