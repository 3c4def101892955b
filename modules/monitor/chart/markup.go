package chart

import (
	"html/template"
	"strconv"
	"strings"
	"unicode"
)

// markup writes elements. Everything that is not a name of ours goes through
// clean, so that no text can become markup.
type markup struct{ b strings.Builder }

// open begins an element; attributes are pairs of name and value.
func (m *markup) open(name string, attributes ...string) {
	m.begin(name, attributes)
	m.b.WriteByte('>')
}

// single is an element of SVG without content.
func (m *markup) single(name string, attributes ...string) {
	m.begin(name, attributes)
	m.b.WriteString("/>")
}

func (m *markup) begin(name string, attributes []string) {
	m.b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		if attributes[i+1] != "" {
			m.b.WriteString(" " + attributes[i] + `="` + clean(attributes[i+1]) + `"`)
		}
	}
}

func (m *markup) text(s string) { m.b.WriteString(clean(s)) }

func (m *markup) close(name string) { m.b.WriteString("</" + name + ">\n") }

// element is one with text alone.
func (m *markup) element(name, text string, attributes ...string) {
	m.open(name, attributes...)
	m.text(text)
	m.close(name)
}

func (m *markup) html() template.HTML { return template.HTML(m.b.String()) }

// clean escapes, and drops what cannot be seen but may turn the text around it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return template.HTMLEscapeString(s)
}

// number is a coordinate.
func number(v float64) string {
	s := strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	if s == "-0" {
		return "0"
	}
	return s
}
