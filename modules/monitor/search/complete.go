package search

import (
	"slices"
	"strings"
	"unicode"
)

// maxSuggestions is how many Complete returns at most.
const maxSuggestions = 10

// WordAt returns where the word begins and ends in which the cursor, a byte of
// s, is. Spaces between quotes end no word.
func WordAt(s string, cursor int) (from, to int) {
	cursor = max(0, min(cursor, len(s)))
	inside := false
	to = len(s)
	for i, r := range s {
		if r == '"' {
			inside = !inside
		}
		if inside || !unicode.IsSpace(r) {
			continue
		}
		if i >= cursor {
			return from, i
		}
		from = i + len(string(r))
	}
	return from, to
}

// Complete returns what could stand in place of the word at the cursor, a byte
// of s: keys, states, examples of amounts, and the known values of other keys,
// best first. It takes what is left of the cursor as the word's beginning.
func Complete(s string, cursor int, known map[string][]string) []string {
	from, _ := WordAt(s, cursor)
	begun := s[from:max(from, min(cursor, len(s)))]
	sign := ""
	if rest, ok := strings.CutPrefix(begun, "-"); ok {
		sign, begun = "-", rest
	}
	var out []string
	if spoken, op, ok := operator(begun); ok {
		out = completeValue(spoken, op, begun[len(spoken)+len(op):], known)
	} else {
		out = completeKey(begun)
	}
	for i := range out {
		out[i] = sign + out[i]
	}
	return out[:min(len(out), maxSuggestions)]
}

// completeKey suggests keys, and terms for words that look like a state.
func completeKey(begun string) []string {
	var out []string
	names := keyNames()
	if begun == "" {
		names = names[:len(Keys())]
	}
	for _, n := range names {
		if strings.HasPrefix(n.spoken, fold(begun)) {
			op := string(Is)
			if Key(n.means).comparable() {
				op = string(Over)
			}
			out = append(out, n.spoken+op)
		}
	}
	if begun == "" {
		return out
	}
	for _, v := range matching(stateNames(), begun) {
		out = append(out, string(KeyState)+":"+v)
	}
	return out
}

// Keys returns the keys in the order in which a page shows them.
func Keys() []Key {
	return []Key{KeyState, KeyQueue, KeyWorker, KeyKind, KeyUser, KeyVideo, KeyError, KeyOp, KeyAge, KeyWait, KeyAttempt}
}

func completeValue(spoken string, op Op, begun string, known map[string][]string) []string {
	key, ok := keyNamed(spoken)
	if !ok {
		return nil
	}
	head := spoken + string(op)
	if key.comparable() {
		return examples(key, spoken, op, begun)
	}
	// Of a list only the last value is begun.
	if i := strings.LastIndexByte(begun, ','); i >= 0 {
		head, begun = head+begun[:i+1], begun[i+1:]
	}
	var out []string
	for _, v := range choices(key, strings.Trim(begun, `"`), known) {
		out = append(out, head+value(v))
	}
	return out
}

// choices are the values of a key that begin like begun, then those that have it
// inside.
func choices(key Key, begun string, known map[string][]string) []string {
	if key == KeyState {
		return matching(stateNames(), begun)
	}
	var first, second []string
	for _, v := range known[string(key)] {
		switch at := strings.Index(strings.ToLower(v), strings.ToLower(begun)); {
		case at == 0:
			first = append(first, v)
		case at > 0:
			second = append(second, v)
		}
	}
	return append(first, second...)
}

// matching returns what the names that begin like begun mean, each once.
func matching(names []name, begun string) []string {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n.spoken, fold(begun)) && !slices.Contains(out, n.means) {
			out = append(out, n.means)
		}
	}
	return out
}

func examples(key Key, spoken string, op Op, begun string) []string {
	amounts := []string{"10m", "1h", "1d"}
	if key == KeyAttempt {
		amounts = []string{"1", "2", "3"}
	} else if op == Is {
		op = Over
	}
	var out []string
	for _, a := range amounts {
		if strings.HasPrefix(a, begun) {
			out = append(out, spoken+string(op)+a)
		}
	}
	return out
}
