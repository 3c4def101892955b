package search

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "moov atom", `user:"Ana Ruiz" -state:muerto,"en curso"`, "age>=90s wait:<2h attempt:3", id1 + "," + id2, `"` + id1 + `"`, "op:" + id1,
		`""""`, `a:"b""`, "\x00", "\xff", "\u037e", "<\u0338", "age<\u0338", "jose\u0301:x", "queue:\u0301", "- -", "-\"a\"", "cola:a,\u00a0b",
		id1 + "\u037e", "queue:\"\u00a0\"", "\u2028a\u2029", "(,)", "{" + id1 + "}", "id:{" + id1 + "}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s)
		var refused *SyntaxError
		if errors.As(err, &refused) {
			require.LessOrEqual(t, refused.Pos+len(refused.Word), len(s))
			require.Equal(t, refused.Word, s[refused.Pos:][:len(refused.Word)])
			return
		}
		require.NoError(t, err)
		text := q.String()
		require.True(t, utf8.ValidString(text))
		again, err := Parse(text)
		require.NoError(t, err, "%q became %q", s, text)
		require.Equal(t, q, again, "%q became %q", s, text)
		require.LessOrEqual(t, len(q.Terms)+len(q.Words)+len(q.IDs), MaxTerms)
		for at := range s {
			Complete(s, at, map[string][]string{"queue": {"a"}})
		}
	})
}

// anyQuery makes a query of strange texts.
func anyQuery(r *rand.Rand) Query {
	text := func() string {
		letters := []rune(`aZé9 ",:;<>=-_\'.()` + "\u00a0ñ😀")
		s := make([]rune, 1+r.IntN(8))
		for i := range s {
			s[i] = letters[r.IntN(len(letters))]
		}
		return string(s)
	}
	var q Query
	for range r.IntN(4) {
		switch t := (Term{Key: Keys()[r.IntN(len(Keys()))], Negated: r.IntN(2) == 0, Op: Is}); t.Key {
		case KeyState:
			t.Values = []string{States()[r.IntN(5)], States()[5+r.IntN(5)]}
			q.Terms = append(q.Terms, t)
		case KeyOp:
			t.Values = []string{uuid.NewString()}
			q.Terms = append(q.Terms, t)
		case KeyAttempt:
			t.Op, t.Number = []Op{Is, Over, AtLeast, Under, AtMost}[r.IntN(5)], r.IntN(20)
			q.Terms = append(q.Terms, t)
		case KeyAge, KeyWait:
			t.Op, t.Duration = []Op{Over, AtLeast, Under, AtMost}[r.IntN(4)], time.Duration(r.IntN(1_000_000))*time.Second
			q.Terms = append(q.Terms, t)
		default:
			t.Values = distinct([]string{text(), text()})
			q.Terms = append(q.Terms, t)
		}
	}
	for range r.IntN(4) {
		q.Words = append(q.Words, text())
	}
	for range r.IntN(3) {
		q.IDs = append(q.IDs, uuid.New())
	}
	return q
}

func TestQuery_IsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		q := anyQuery(r)
		got, err := Parse(q.String())
		require.NoError(t, err, "%q", q.String())
		require.Equal(t, q, got, "%q", q.String())
	}
}
