package search

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestComplete_SuggestsForTheWordAtTheCursor(t *testing.T) {
	t.Parallel()
	known := map[string][]string{"queue": {"video", "audio", "lenta video", `a"b`}, "worker": {"w1", "W2"}}
	tests := map[string]struct {
		in   string // the cursor is at |
		want []string
	}{
		"nothing to say":          {"zzz|", nil},
		"an unknown key":          {"zzz:a|", nil},
		"an unknown value":        {"queue:zzz|", nil},
		"a key":                   {"st|", []string{"state:", "state:stuck"}},
		"a key in capitals":       {"QU|", []string{"queue:", "state:waiting"}},
		"a Spanish key":           {"cola|", []string{"cola:"}},
		"a Spanish state":         {"mue|", []string{"state:dead"}},
		"an amount's key":         {"ag|", []string{"age>"}},
		"a negated key":           {"x -wor|", []string{"-worker:"}},
		"a state":                 {"state:re|", []string{"state:retrying"}},
		"a state under its alias": {"estado:can|", []string{"estado:cancelling", "estado:cancelled"}},
		"a list of states":        {"state:dead,stu|", []string{"state:dead,stuck"}},
		"known values":            {"queue:VID|", []string{"queue:video", `queue:"lenta video"`}},
		"a quoted value":          {`queue:"lenta v| x`, []string{`queue:"lenta video"`}},
		"a value with a quote":    {"-queue:a|", []string{"-queue:audio", `-queue:"a""b"`, `-queue:"lenta video"`}},
		"all values":              {"worker:|", []string{"worker:w1", "worker:W2"}},
		"an amount":               {"age>1|", []string{"age>10m", "age>1h", "age>1d"}},
		"an exact age":            {"age:|", []string{"age>10m", "age>1h", "age>1d"}},
		"an attempt":              {"attempt>=|", []string{"attempt>=1", "attempt>=2", "attempt>=3"}},
		"the word in the middle":  {"queue:a wo| state:dead", []string{"worker:"}},
		"the beginning of a word": {"wor|ker:x", []string{"worker:"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cursor := strings.IndexByte(tt.in, '|')
			require.Equal(t, tt.want, Complete(strings.Replace(tt.in, "|", "", 1), cursor, known))
		})
	}
	require.Len(t, Complete("", 0, nil), maxSuggestions)
	require.Equal(t, "state:", Complete("a ", 99, nil)[0])
	require.Equal(t, "state:", Complete("a", -1, nil)[0])
}

func TestWordAt_KeepsQuotesTogether(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"|": "", "a|": "a", "|a b": "a", "a |b": "b", "a b|": "b", "a| b": "a", `a user:"x y|" z`: `user:"x y"`, `user:"x |y`: `user:"x y`,
		"a\u00a0b|": "b", "a  |": "",
	} {
		cursor := strings.IndexByte(in, '|')
		s := strings.Replace(in, "|", "", 1)
		from, to := WordAt(s, cursor)
		require.Equal(t, want, s[from:to], in)
	}
}
