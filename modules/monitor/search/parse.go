package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// Parse reads a search; blank is the empty Query. Its errors are *SyntaxError.
// For every query that it returns, Parse(q.String()) returns an equal one.
func Parse(s string) (Query, error) {
	if len(s) > MaxBytes {
		return Query{}, &SyntaxError{Code: TooLong, Pos: MaxBytes}
	}
	p := parser{s: strings.TrimRightFunc(s, unicode.IsSpace)}
	p.pos = len(p.s) - len(strings.TrimLeftFunc(p.s, unicode.IsSpace))
	if at, ok := p.badText(); ok {
		return Query{}, &SyntaxError{Code: BadText, Pos: at}
	}
	for p.skipSpace(); p.pos < len(p.s); p.skipSpace() {
		start := p.pos
		if err := p.word(); err != nil {
			return Query{}, err
		}
		if len(p.q.Terms)+len(p.q.Words)+len(p.q.IDs) > MaxTerms {
			return Query{}, &SyntaxError{Code: TooMany, Pos: start, Word: p.s[start:p.pos]}
		}
	}
	if len(p.q.String()) > MaxBytes {
		return Query{}, &SyntaxError{Code: TooLong, Pos: len(p.s)}
	}
	return p.q, nil
}

type parser struct {
	s   string
	pos int
	q   Query
}

// badText finds the first byte that is no text of one line.
func (p *parser) badText() (int, bool) {
	for i, r := range p.s[p.pos:] {
		_, size := utf8.DecodeRuneInString(p.s[p.pos+i:])
		if unicode.IsControl(r) || r == utf8.RuneError && size == 1 {
			return p.pos + i, true
		}
	}
	return 0, false
}

func (p *parser) skipSpace() {
	p.pos += len(p.rest()) - len(strings.TrimLeftFunc(p.rest(), unicode.IsSpace))
}

func (p *parser) rest() string { return p.s[p.pos:] }

// fail is about the word that begins at start, up to the next space.
func (p *parser) fail(code Code, start int, hint string) error {
	return &SyntaxError{Code: code, Pos: start, Word: before(p.s[start:], unicode.IsSpace), Hint: hint}
}

// before is the part of s in front of the first rune that f is true of.
func before(s string, f func(rune) bool) string {
	if i := strings.IndexFunc(s, f); i >= 0 {
		return s[:i]
	}
	return s
}

// operator finds a key's name and the operator after it at the start of s.
func operator(s string) (spoken string, op Op, ok bool) {
	spoken = before(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
	for _, op := range []Op{AtLeast, AtMost, Over, Under, Is} {
		if spoken != "" && strings.HasPrefix(s[len(spoken):], string(op)) {
			return spoken, op, true
		}
	}
	return "", "", false
}

// word reads one term, word or id.
func (p *parser) word() error {
	start := p.pos
	plain := before(p.rest(), unicode.IsSpace)
	positive, negated := strings.CutPrefix(plain, "-")
	if spoken, op, ok := operator(positive); ok {
		p.pos += len(plain) - len(positive) + len(spoken) + len(op)
		return p.term(start, spoken, op, negated)
	}
	if negated {
		return p.fail(BadNegation, start, quoted(plain))
	}
	if ids, ok := asIDs(plain); ok {
		p.pos += len(plain)
		p.addIDs(ids)
		return nil
	}
	text, err := p.text(start, unicode.IsSpace)
	if err != nil {
		return err
	}
	p.q.Words = append(p.q.Words, text)
	return nil
}

// text reads what is quoted, or all up to a rune that ends it; start is where
// the word begins that it belongs to.
func (p *parser) text(start int, ends func(rune) bool) (string, error) {
	if !strings.HasPrefix(p.rest(), `"`) {
		plain := before(p.rest(), ends)
		p.pos += len(plain)
		switch {
		case plain == "":
			return "", p.fail(EmptyValue, start, "")
		case strings.Contains(plain, `"`):
			return "", p.fail(BadQuote, start, quoted(plain))
		}
		return norm.NFC.String(plain), nil
	}
	begin := p.pos + 1
	for i := begin; i < len(p.s); i++ {
		if p.s[i] != '"' {
			continue
		}
		if strings.HasPrefix(p.s[i+1:], `"`) {
			i++
			continue
		}
		inside := strings.ReplaceAll(p.s[begin:i], `""`, `"`)
		p.pos = i + 1
		switch {
		case inside == "":
			return "", p.fail(EmptyValue, start, "")
		case p.rest() != "" && before(p.rest(), ends) != "":
			return "", p.fail(BadQuote, start, "")
		}
		return norm.NFC.String(inside), nil
	}
	return "", p.fail(OpenQuote, start, p.s[start:]+`"`)
}

// term reads what follows the operator.
func (p *parser) term(start int, spoken string, op Op, negated bool) error {
	key, ok := keyNamed(spoken)
	if !ok {
		return p.fail(UnknownKey, start, nearest(keyNames(), spoken))
	}
	if key.comparable() {
		return p.amount(start, key, op, negated)
	}
	if op != Is {
		return p.fail(BadComparison, start, string(key)+":")
	}
	values, err := p.values(start)
	if err != nil {
		return err
	}
	if key == keyID {
		return p.ids(start, values, negated)
	}
	for i, v := range values {
		if key == KeyState {
			if values[i], ok = stateNamed(v); !ok {
				return p.fail(BadState, start, nearest(stateNames(), v))
			}
		}
		if key == KeyOp {
			ids, ok := asIDs(v)
			if !ok || len(ids) != 1 {
				return p.fail(BadID, start, "")
			}
			values[i] = ids[0].String()
		}
	}
	p.q.Terms = append(p.q.Terms, Term{Key: key, Negated: negated, Op: Is, Values: distinct(values)})
	return nil
}

func (p *parser) values(start int) ([]string, error) {
	ends := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	for values := []string(nil); ; p.pos++ {
		v, err := p.text(start, ends)
		if err != nil {
			return nil, err
		}
		if values = append(values, v); !strings.HasPrefix(p.rest(), ",") {
			return values, nil
		}
	}
}

// amount reads age>10m, and age:>10m for those used to that.
func (p *parser) amount(start int, key Key, op Op, negated bool) error {
	if op == Is {
		for _, o := range []Op{AtLeast, AtMost, Over, Under} {
			if rest, ok := strings.CutPrefix(p.rest(), string(o)); ok {
				op, p.pos = o, len(p.s)-len(rest)
				break
			}
		}
	}
	text, err := p.text(start, unicode.IsSpace)
	if err != nil {
		return err
	}
	t := Term{Key: key, Negated: negated, Op: op}
	var ok bool
	switch {
	case key == KeyAttempt:
		if t.Number, ok = number(text); !ok {
			return p.fail(BadNumber, start, "attempt>=2")
		}
	case op == Is: // no job is exactly ten minutes old
		return p.fail(BadComparison, start, string(key)+">")
	default:
		if t.Duration, ok = duration(text); !ok {
			return p.fail(BadDuration, start, string(key)+string(op)+"10m")
		}
	}
	p.q.Terms = append(p.q.Terms, t)
	return nil
}

func (p *parser) ids(start int, values []string, negated bool) error {
	if negated {
		return p.fail(BadNegation, start, "")
	}
	for _, v := range values {
		ids, ok := asIDs(v)
		if !ok {
			return p.fail(BadID, start, "")
		}
		p.addIDs(ids)
	}
	return nil
}

func (p *parser) addIDs(ids []uuid.UUID) {
	for _, id := range ids {
		if !slices.Contains(p.q.IDs, id) {
			p.q.IDs = append(p.q.IDs, id)
		}
	}
}

// asIDs reads UUIDs, with what may stand around one where it was copied from.
func asIDs(s string) ([]uuid.UUID, bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(`,;.()[]{}<>'`, r) })
	var ids []uuid.UUID
	for _, part := range parts {
		id, err := uuid.Parse(part)
		if err != nil || len(part) != 36 {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, len(ids) > 0
}

func distinct(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
