package search

import (
	"strconv"
	"strings"
	"unicode"
)

// String writes q in the one way that is equal for equal queries: terms, words,
// ids, with the English names.
func (q Query) String() string {
	var parts []string
	for _, t := range q.Terms {
		parts = append(parts, t.String())
	}
	for _, w := range q.Words {
		parts = append(parts, word(w))
	}
	for _, id := range q.IDs {
		parts = append(parts, id.String())
	}
	return strings.Join(parts, " ")
}

// String writes t as a search of its own.
func (t Term) String() string {
	text := string(t.Key) + string(t.Op)
	if t.Negated {
		text = "-" + text
	}
	switch t.Key {
	case KeyAttempt:
		return text + strconv.Itoa(t.Number)
	case KeyAge, KeyWait:
		return text + FormatDuration(t.Duration)
	}
	values := make([]string, len(t.Values))
	for i, v := range t.Values {
		values[i] = value(v)
	}
	return text + strings.Join(values, ",")
}

// word quotes a word that would else be something other than it.
func word(s string) string {
	_, _, isTerm := operator(s)
	_, isID := asIDs(s)
	if isTerm || isID || strings.HasPrefix(s, "-") || !plain(s) {
		return quoted(s)
	}
	return s
}

func value(s string) string {
	if strings.Contains(s, ",") || !plain(s) {
		return quoted(s)
	}
	return s
}

func plain(s string) bool {
	return s != "" && !strings.Contains(s, `"`) && !strings.ContainsFunc(s, unicode.IsSpace)
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
