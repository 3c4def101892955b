// Package search is the search language of the dashboard's Jobs page.
//
// A search is words between spaces. key:value is a term; so is key>value for
// ages, waits and attempts. -key:value is its opposite, key:a,b means either,
// and "…" holds what has spaces, with "" for a quote inside. What is no term is
// a word to look for, and a UUID is the id of a job. Keys and states have
// Spanish names too.
package search

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Limits of a search.
const (
	MaxBytes = 500
	MaxTerms = 20 // terms, words and ids together
)

// Key is what a term is about.
type Key string

// The keys.
const (
	KeyState   Key = "state"
	KeyQueue   Key = "queue"
	KeyWorker  Key = "worker"
	KeyKind    Key = "kind"
	KeyUser    Key = "user"
	KeyVideo   Key = "video"
	KeyError   Key = "error"
	KeyOp      Key = "op" // the bulk operation that changed the job
	KeyAge     Key = "age"
	KeyWait    Key = "wait"
	KeyAttempt Key = "attempt"
	keyID      Key = "id" // becomes Query.IDs
)

// The values of KeyState.
const (
	Waiting    = "waiting"
	Scheduled  = "scheduled"
	Running    = "running"
	Retrying   = "retrying"
	Done       = "done"
	Dead       = "dead"
	Discarded  = "discarded"
	Cancelled  = "cancelled"
	Stuck      = "stuck"
	Cancelling = "cancelling"
)

// States returns the values of KeyState in the order in which a page shows them.
func States() []string {
	return []string{Waiting, Scheduled, Running, Retrying, Stuck, Cancelling, Done, Dead, Discarded, Cancelled}
}

// Op is how a term compares.
type Op string

// The operators; all but Is are for ages, waits and attempts alone.
const (
	Is      Op = ":"
	Over    Op = ">"
	AtLeast Op = ">="
	Under   Op = "<"
	AtMost  Op = "<="
)

// Term is one condition. Duration belongs to KeyAge and KeyWait, Number to
// KeyAttempt, and Values to all others: at least one, none twice, of which a
// job has any.
type Term struct {
	Key      Key
	Negated  bool
	Op       Op
	Values   []string
	Duration time.Duration
	Number   int
}

// Query is a search. A job has to fit every term and every word, and to have
// one of the ids if there are any. Text is NFC and otherwise as it was typed.
type Query struct {
	Terms []Term
	Words []string
	IDs   []uuid.UUID
}

// Empty reports whether q finds every job.
func (q Query) Empty() bool { return len(q.Terms)+len(q.Words)+len(q.IDs) == 0 }

// Code says what is wrong with a search.
type Code string

// The codes, and the hints that come with them.
const (
	TooLong       Code = "too_long"       // over MaxBytes, as it is or written out; no hint
	TooMany       Code = "too_many"       // over MaxTerms; no hint
	BadText       Code = "bad_text"       // no UTF-8, or a control character; no hint
	UnknownKey    Code = "unknown_key"    // hint: the nearest key, if one is near
	EmptyValue    Code = "empty_value"    // no hint
	OpenQuote     Code = "open_quote"     // hint: the word with its end
	BadQuote      Code = "bad_quote"      // a quote inside a word, or something right after one; hint: the word quoted
	BadNegation   Code = "bad_negation"   // only terms have an opposite; hint: the word quoted
	BadState      Code = "bad_state"      // hint: the nearest state, if one is near
	BadDuration   Code = "bad_duration"   // hint: an example
	BadNumber     Code = "bad_number"     // hint: an example
	BadID         Code = "bad_id"         // no hint
	BadComparison Code = "bad_comparison" // the key has no such operator; hint: how it begins
)

// SyntaxError is why a search is not understood.
type SyntaxError struct {
	Code Code
	Pos  int    // byte in the search at which Word begins
	Word string // the word at fault; empty for TooLong and BadText
	Hint string // what was perhaps meant, in the language of searches; may be empty
}

// Error is for logs: it leaves the word out, which may be anything.
func (e *SyntaxError) Error() string { return fmt.Sprintf("search: %s at byte %d", e.Code, e.Pos) }

// comparable reports whether the key has amounts and not texts.
func (k Key) comparable() bool { return k == KeyAge || k == KeyWait || k == KeyAttempt }

// Without returns q without the terms of a key.
func (q Query) Without(key Key) Query {
	q.Terms = slices.DeleteFunc(slices.Clone(q.Terms), func(t Term) bool { return t.Key == key })
	if len(q.Terms) == 0 {
		q.Terms = nil
	}
	return q
}

// With returns q with key:values in place of all terms of that key; no values
// is Without. What Parse would refuse it does not check.
func (q Query) With(key Key, values ...string) Query {
	if len(values) == 0 {
		return q.Without(key)
	}
	return q.WithTerm(Term{Key: key, Op: Is, Values: slices.Clone(values)})
}

// WithTerm returns q with t in place of all terms of its key.
func (q Query) WithTerm(t Term) Query {
	q = q.Without(t.Key)
	q.Terms = append(q.Terms, t)
	return q
}

// Values returns what the terms of a key that are not negated allow, for pages
// that show it as chosen.
func (q Query) Values(key Key) []string {
	var out []string
	for _, t := range q.Terms {
		if t.Key == key && !t.Negated {
			out = append(out, t.Values...)
		}
	}
	return out
}
