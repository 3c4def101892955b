package search

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const id1, id2 = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"

func TestParse_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   string
		want SyntaxError
	}{
		"a long text":             {strings.Repeat("a", 501), SyntaxError{Code: TooLong, Pos: 500}},
		"long when written out":   {`queue:a cola:a ` + strings.Repeat("b", 485), SyntaxError{Code: TooLong, Pos: 500}},
		"many words":              {strings.Repeat("a ", 21), SyntaxError{TooMany, 40, "a", ""}},
		"many ids in one term":    {"id:" + manyIDs(21) + " x", SyntaxError{Code: TooLong, Pos: 500}},
		"no UTF-8":                {"ab\xff", SyntaxError{Code: BadText, Pos: 2}},
		"NUL":                     {" a\x00", SyntaxError{Code: BadText, Pos: 2}},
		"an escape sequence":      {"\x1b[31m", SyntaxError{Code: BadText, Pos: 0}},
		"a line break inside":     {"a\nb", SyntaxError{Code: BadText, Pos: 1}},
		"an unknown key":          {"a stat:dead", SyntaxError{UnknownKey, 2, "stat:dead", "state"}},
		"nothing like a key":      {"http://a", SyntaxError{UnknownKey, 0, "http://a", ""}},
		"an unknown Spanish key":  {"trabajadr:a", SyntaxError{UnknownKey, 0, "trabajadr:a", "trabajador"}},
		"no value":                {"queue:", SyntaxError{EmptyValue, 0, "queue:", ""}},
		"no value before another": {"queue: a", SyntaxError{EmptyValue, 0, "queue:", ""}},
		"an empty quoted value":   {`queue:""`, SyntaxError{EmptyValue, 0, `queue:""`, ""}},
		"an empty quoted word":    {`""`, SyntaxError{EmptyValue, 0, `""`, ""}},
		"an empty item":           {"queue:a,,b", SyntaxError{EmptyValue, 0, "queue:a,,b", ""}},
		"an empty last item":      {"queue:a,", SyntaxError{EmptyValue, 0, "queue:a,", ""}},
		"an open quote":           {`user:"Ana`, SyntaxError{OpenQuote, 0, `user:"Ana`, `user:"Ana"`}},
		"a quote in a word":       {`5"pulgadas`, SyntaxError{BadQuote, 0, `5"pulgadas`, `"5""pulgadas"`}},
		"text after a quote":      {`"a"b`, SyntaxError{BadQuote, 0, `"a"b`, ""}},
		"a negated word":          {"-vf", SyntaxError{BadNegation, 0, "-vf", `"-vf"`}},
		"a lone sign":             {"-", SyntaxError{BadNegation, 0, "-", `"-"`}},
		"a negated id":            {"-id:" + id1, SyntaxError{BadNegation, 0, "-id:" + id1, ""}},
		"an unknown state":        {"state:deat", SyntaxError{BadState, 0, "state:deat", "dead"}},
		"nothing like a state":    {"state:xyz", SyntaxError{BadState, 0, "state:xyz", ""}},
		"a state in a list":       {"state:dead,terminad", SyntaxError{BadState, 0, "state:dead,terminad", "terminado"}},
		"a duration without unit": {"age>10", SyntaxError{BadDuration, 0, "age>10", "age>10m"}},
		"a duration without time": {"age<=m", SyntaxError{BadDuration, 0, "age<=m", "age<=10m"}},
		"a mixed duration":        {"wait>1h30m", SyntaxError{BadDuration, 0, "wait>1h30m", "wait>10m"}},
		"a negative duration":     {"wait>-1h", SyntaxError{BadDuration, 0, "wait>-1h", "wait>10m"}},
		"an age of centuries":     {"age>3651d", SyntaxError{BadDuration, 0, "age>3651d", "age>10m"}},
		"a duration that wraps":   {"age>99999999999d", SyntaxError{BadDuration, 0, "age>99999999999d", "age>10m"}},
		"an exact age":            {"age:10m", SyntaxError{BadComparison, 0, "age:10m", "age>"}},
		"attempts in words":       {"attempt>dos", SyntaxError{BadNumber, 0, "attempt>dos", "attempt>=2"}},
		"a list of attempts":      {"attempt:1,2", SyntaxError{BadNumber, 0, "attempt:1,2", "attempt>=2"}},
		"a compared text":         {"queue>a", SyntaxError{BadComparison, 0, "queue>a", "queue:"}},
		"an id that is none":      {"id:7", SyntaxError{BadID, 0, "id:7", ""}},
		"an operation's name":     {"op:retry", SyntaxError{BadID, 0, "op:retry", ""}},
		"two operations in one":   {`op:"` + id1 + "," + id2 + `"`, SyntaxError{BadID, 0, `op:"` + id1 + "," + id2 + `"`, ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tt.in)
			var got *SyntaxError
			require.True(t, errors.As(err, &got), "%v", err)
			require.Equal(t, tt.want, *got)
			require.NotContains(t, err.Error(), "dos")
		})
	}
}

func manyIDs(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	return strings.Join(ids, ",")
}

func TestParse_UnderstandsTermsWordsAndIDs(t *testing.T) {
	t.Parallel()
	one, two := uuid.MustParse(id1), uuid.MustParse(id2)
	is := func(k Key, values ...string) Query { return Query{Terms: []Term{{Key: k, Op: Is, Values: values}}} }
	than := func(k Key, op Op, d time.Duration) Query { return Query{Terms: []Term{{Key: k, Op: op, Duration: d}}} }
	attempt := func(op Op, n int) Query { return Query{Terms: []Term{{Key: KeyAttempt, Op: op, Number: n}}} }
	tests := map[string]struct {
		in, canonical string
		want          Query
	}{
		"nothing":                   {" \t\n", "", Query{}},
		"words":                     {"moov  atom ", "moov atom", Query{Words: []string{"moov", "atom"}}},
		"words with other spaces":   {"moov\u00a0atom", "moov atom", Query{Words: []string{"moov", "atom"}}},
		"a quoted word":             {`"not found" x`, `"not found" x`, Query{Words: []string{"not found", "x"}}},
		"a quote in quotes":         {`"a ""b"""`, `"a ""b"""`, Query{Words: []string{`a "b"`}}},
		"a backslash":               {`1\`, `1\`, Query{Words: []string{`1\`}}},
		"a time":                    {"12:03", "12:03", Query{Words: []string{"12:03"}}},
		"a quoted term":             {`"queue:a"`, `"queue:a"`, Query{Words: []string{"queue:a"}}},
		"a quoted negation":         {`"-vf"`, `"-vf"`, Query{Words: []string{"-vf"}}},
		"decomposed letters":        {"jose\u0301", "jos\u00e9", Query{Words: []string{"jos\u00e9"}}},
		"a text":                    {"queue:video", "queue:video", is(KeyQueue, "video")},
		"a key in capitals":         {"QUEUE:Video", "queue:Video", is(KeyQueue, "Video")},
		"a quoted text":             {`user:"Ana Ruiz"`, `user:"Ana Ruiz"`, is(KeyUser, "Ana Ruiz")},
		"a text with a colon":       {"error:a:b", "error:a:b", is(KeyError, "a:b")},
		"a list":                    {`queue:a,"b,c",a`, `queue:a,"b,c"`, is(KeyQueue, "a", "b,c")},
		"a text like a comparison":  {"queue:>a", "queue:>a", is(KeyQueue, ">a")},
		"states":                    {"state:Dead,cancelled", "state:dead,cancelled", is(KeyState, Dead, Cancelled)},
		"states in Spanish":         {`Estado:muertos,"en curso",EN-CURSO,queued`, "state:dead,running,waiting", is(KeyState, Dead, Running, Waiting)},
		"a Spanish key":             {"trabajador:w1", "worker:w1", is(KeyWorker, "w1")},
		"a Spanish key with accent": {"operación:" + strings.ToUpper(id1), "op:" + id1, is(KeyOp, id1)},
		"a negation":                {"-state:done", "-state:done", Query{Terms: []Term{{Key: KeyState, Negated: true, Op: Is, Values: []string{Done}}}}},
		"an age":                    {"age>10m", "age>10m", than(KeyAge, Over, 10*time.Minute)},
		"an age as elsewhere":       {"edad:>=90S", "age>=90s", than(KeyAge, AtLeast, 90*time.Second)},
		"a wait":                    {"wait<0120m", "wait<2h", than(KeyWait, Under, 2*time.Hour)},
		"a wait of days":            {"espera<=72h", "wait<=3d", than(KeyWait, AtMost, 72*time.Hour)},
		"no time at all":            {"age>0d", "age>0s", than(KeyAge, Over, 0)},
		"attempts":                  {"attempt>=2", "attempt>=2", attempt(AtLeast, 2)},
		"exact attempts":            {"intento:02", "attempt:2", attempt(Is, 2)},
		"an id":                     {id1, id1, Query{IDs: []uuid.UUID{one}}},
		"an id among words":         {"a (" + strings.ToUpper(id1) + "). b", "a b " + id1, Query{Words: []string{"a", "b"}, IDs: []uuid.UUID{one}}},
		"ids":                       {"id:" + id1 + "," + id2 + " " + id1, id1 + " " + id2, Query{IDs: []uuid.UUID{one, two}}},
		"ids in a list":             {id1 + "," + id2, id1 + " " + id2, Query{IDs: []uuid.UUID{one, two}}},
		"a quoted id":               {`"` + id1 + `"`, `"` + id1 + `"`, Query{Words: []string{id1}}},
		"an id of a video":          {"video:" + id1, "video:" + id1, is(KeyVideo, id1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.canonical, got.String())
			require.Equal(t, len(got.Terms)+len(got.Words)+len(got.IDs) == 0, got.Empty())
		})
	}
}

func TestQuery_BuildsLinks(t *testing.T) {
	t.Parallel()
	q, err := Parse("state:dead -state:stuck queue:video tiro")
	require.NoError(t, err)
	require.Equal(t, "queue:video state:running,done tiro", q.With(KeyState, Running, Done).String())
	require.Equal(t, "queue:video tiro", q.Without(KeyState).String())
	require.Equal(t, "queue:video tiro", q.With(KeyState).String())
	require.Equal(t, `state:dead -state:stuck queue:"a b" tiro`, q.With(KeyQueue, "a b").String())
	require.Equal(t, "age>1h", Query{}.WithTerm(Term{Key: KeyAge, Op: Over, Duration: time.Hour}).String())
	require.Equal(t, Query{}, Query{}.With(KeyQueue, "a").Without(KeyQueue))
	require.Equal(t, []string{Dead}, q.Values(KeyState))
	require.Empty(t, q.Values(KeyWorker))
	require.Equal(t, "state:dead -state:stuck queue:video tiro", q.String(), "the original is as it was")
}

func TestStates_AndKeysAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, s := range States() {
		q, err := Parse("state:" + s)
		require.NoError(t, err)
		require.Equal(t, []string{s}, q.Values(KeyState))
	}
	require.Len(t, States(), 10)
	for _, k := range Keys() {
		got, ok := keyNamed(strings.ToUpper(string(k)))
		require.True(t, ok)
		require.Equal(t, k, got)
	}
	for _, n := range keyNames() {
		require.True(t, Key(n.means) == keyID || slices.Contains(Keys(), Key(n.means)), n.spoken)
	}
	for _, n := range stateNames() {
		require.Contains(t, States(), n.means)
	}
}
