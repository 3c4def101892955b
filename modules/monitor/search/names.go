package search

import (
	"slices"
	"strings"
)

// name is how people call a key or a state.
type name struct {
	spoken string
	means  string
}

// keyNames lists keys first by their own names, then by others.
func keyNames() []name {
	return []name{
		{"state", "state"}, {"queue", "queue"}, {"worker", "worker"}, {"kind", "kind"}, {"user", "user"}, {"video", "video"},
		{"error", "error"}, {"op", "op"}, {"age", "age"}, {"wait", "wait"}, {"attempt", "attempt"}, {"id", "id"},
		{"estado", "state"}, {"cola", "queue"}, {"trabajador", "worker"}, {"tipo", "kind"}, {"usuario", "user"}, {"vídeo", "video"},
		{"operación", "op"}, {"operacion", "op"}, {"edad", "age"}, {"antigüedad", "age"}, {"antiguedad", "age"}, {"espera", "wait"},
		{"intento", "attempt"}, {"task_id", "id"}, {"tarea", "id"},
	}
}

func stateNames() []name {
	out := make([]name, 0, 32)
	for _, s := range States() {
		out = append(out, name{s, s})
	}
	return append(out,
		name{"queued", Waiting}, name{"esperando", Waiting}, name{"en_espera", Waiting}, name{"encolado", Waiting},
		name{"programado", Scheduled}, name{"en_curso", Running}, name{"corriendo", Running}, name{"reintentando", Retrying},
		name{"atascado", Stuck}, name{"cancelando", Cancelling}, name{"canceling", Cancelling}, name{"terminado", Done}, name{"hecho", Done},
		name{"muerto", Dead}, name{"fallido", Dead}, name{"failed", Dead}, name{"descartado", Discarded}, name{"cancelado", Cancelled},
		name{"canceled", Cancelled})
}

// fold makes spellings of a name equal.
func fold(s string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(s))
}

func find(names []name, spoken string) (string, bool) {
	i := slices.IndexFunc(names, func(n name) bool { return n.spoken == spoken })
	if i < 0 {
		return "", false
	}
	return names[i].means, true
}

func keyNamed(s string) (Key, bool) {
	k, ok := find(keyNames(), fold(s))
	return Key(k), ok
}

// stateNamed knows plurals too: a page calls its list of the dead "muertos".
func stateNamed(s string) (string, bool) {
	s = fold(s)
	if v, ok := find(stateNames(), s); ok {
		return v, true
	}
	return find(stateNames(), strings.TrimSuffix(s, "s"))
}

// nearest returns the name that differs from s in the fewest letters, or
// nothing when none is near.
func nearest(names []name, s string) string {
	s = fold(s)
	best, at := 3, ""
	if len(s) > 40 {
		return "" // no name is half as long
	}
	for _, n := range names {
		if d := distance(s, n.spoken); d < best && 2*d < len(n.spoken) {
			best, at = d, n.spoken
		}
	}
	return at
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
