package monitor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"anb/modules/monitor/search"
	"anb/platform/database"
	"anb/platform/fault"
	"anb/platform/textkey"
)

// compile turns a search into a filter; a fault with a sentence about the word
// at fault when it is not understood.
func (m *Module) compile(text string) (filter, error) {
	q, err := search.Parse(text)
	if err != nil {
		return filter{}, searchFault(err)
	}
	return m.filterOf(q)
}

func (m *Module) filterOf(q search.Query) (filter, error) {
	var f filter
	if len(q.IDs) > 0 {
		f.where("(j.id IN ? OR j.video_id IN ?)", q.IDs, q.IDs)
	}
	for _, w := range q.Words {
		f.where("j.video_id IN (SELECT v.id FROM videos v WHERE v.search_key LIKE ? ESCAPE '\\')", like(w))
	}
	for _, t := range q.Terms {
		if err := m.term(&f, t); err != nil {
			return f, err
		}
	}
	return f, nil
}

// term adds one condition.
func (m *Module) term(f *filter, t search.Term) error {
	not := ""
	if t.Negated {
		not = "NOT "
	}
	switch t.Key {
	case search.KeyState:
		var states []State
		for _, x := range States() {
			if slices.Contains(t.Values, string(x)) != t.Negated {
				states = append(states, x)
			}
		}
		f.narrow(states)
	case search.KeyQueue:
		if !t.Negated && len(f.queues) == 0 {
			f.queues = t.Values
			return nil
		}
		f.where(not+"j.queue IN ?", t.Values)
	case search.KeyWorker:
		if !t.Negated {
			f.where("j.worker <> ''") // lets the index serve that has only such
		}
		f.where(not+"j.worker IN ?", t.Values)
	case search.KeyKind:
		if slices.Contains(t.Values, kind) == t.Negated {
			f.where("1 = 0")
		}
	case search.KeyError:
		if !t.Negated {
			f.where("j.reason <> ''") // as above
		}
		f.where(not+"(j.reason IN ? OR j.fingerprint IN ?)", t.Values, t.Values)
	case search.KeyUser:
		return each(f, not, t.Values, ofUser)
	case search.KeyVideo:
		return each(f, not, t.Values, ofVideo)
	case search.KeyOp:
		ids, err := parseIDs(t.Values)
		if err != nil {
			return err
		}
		f.where(not+"(j.operation_id IS NOT NULL AND j.operation_id IN ?)", ids)
	default:
		return m.amount(f, not, t)
	}
	return nil
}

// amount adds a comparison.
func (m *Module) amount(f *filter, not string, t search.Term) error {
	op := string(t.Op)
	if t.Op == search.Is {
		op = "="
	}
	switch t.Key {
	case search.KeyAge:
		// An older job has a smaller id.
		turned := map[search.Op]string{search.Over: "<", search.AtLeast: "<=", search.Under: ">", search.AtMost: ">="}[t.Op]
		if turned == "" {
			turned = "<="
		}
		f.where(not+"j.id "+turned+" ?", made(m.deps.Now().Add(-t.Duration)))
	case search.KeyWait:
		d := m.deps.DB
		f.where(not+"("+d.Elapsed("j.created_at", "coalesce(j.started_at, j.finished_at, "+d.Now()+")")+" "+op+" ?)", database.Micros(t.Duration))
	case search.KeyAttempt:
		f.where(not+"j.attempt "+op+" ?", t.Number)
	default:
		return errSearch
	}
	return nil
}

// narrow keeps of the states of f those that are in states too.
func (f *filter) narrow(states []State) {
	if len(f.states) > 0 {
		states = slices.DeleteFunc(slices.Clone(states), func(x State) bool { return !slices.Contains(f.states, x) })
	}
	if len(states) == 0 {
		f.where("1 = 0")
		states = []State{Waiting}
	}
	f.states = states
}

// each joins the conditions of several values by OR.
func each(f *filter, not string, values []string, one func(string) cond) error {
	var (
		parts []string
		args  []any
	)
	for _, v := range values {
		c := one(v)
		parts, args = append(parts, c.sql), append(args, c.args...)
	}
	f.where(not+"("+strings.Join(parts, " OR ")+")", args...)
	return nil
}

// ofUser finds a player's jobs by id, e-mail or name.
func ofUser(v string) cond {
	switch id, err := uuid.Parse(v); {
	case err == nil:
		return cond{"j.video_id IN (SELECT v.id FROM videos v WHERE v.user_id = ?)", []any{id}}
	case strings.Contains(v, "@"):
		return cond{"j.video_id IN (SELECT v.id FROM videos v JOIN users u ON u.id = v.user_id WHERE u.email_key = ?)", []any{strings.ToLower(v)}}
	}
	return cond{"j.video_id IN (SELECT v.id FROM videos v WHERE v.search_key LIKE ? ESCAPE '\\')", []any{like(v)}}
}

// ofVideo finds a video's jobs by id or title.
func ofVideo(v string) cond {
	if id, err := uuid.Parse(v); err == nil {
		return cond{"j.video_id = ?", []any{id}}
	}
	return cond{"j.video_id IN (SELECT v.id FROM videos v WHERE v.search_key LIKE ? ESCAPE '\\')", []any{like(v)}}
}

func parseIDs(values []string) ([]uuid.UUID, error) {
	out := make([]uuid.UUID, len(values))
	for i, v := range values {
		id, err := uuid.Parse(v)
		if err != nil {
			return nil, errSearch.Because(err)
		}
		out[i] = id
	}
	return out, nil
}

// like is a pattern for text that contains s as it is.
func like(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(textkey.Fold(s)) + "%"
}

// searchFault tells in Spanish what is wrong with a search.
func searchFault(err error) error {
	e, ok := errors.AsType[*search.SyntaxError](err)
	if !ok {
		return err
	}
	message := searchWords(e)
	if e.Hint != "" {
		message += fmt.Sprintf(" ¿Quisiste decir «%s»?", e.Hint)
	}
	f := *errSearch.Because(err)
	f.Message = message
	return f.With(fault.Field{Field: "q", Code: strings.ToUpper(string(e.Code)), Message: message})
}

func searchWords(e *search.SyntaxError) string {
	word := "«" + e.Word + "»"
	switch e.Code {
	case search.TooLong:
		return fmt.Sprintf("La búsqueda es demasiado larga: caben %d caracteres.", search.MaxBytes)
	case search.TooMany:
		return fmt.Sprintf("La búsqueda tiene demasiadas palabras: caben %d.", search.MaxTerms)
	case search.BadText:
		return "La búsqueda contiene caracteres no permitidos."
	case search.UnknownKey:
		return "No se puede buscar por " + word + ". Usa state, queue, worker, kind, user, video, error, op, age, wait o attempt."
	case search.EmptyValue:
		return "Falta un valor después de " + word + "."
	case search.OpenQuote, search.BadQuote:
		return "Las comillas de " + word + " no están bien puestas."
	case search.BadNegation:
		return "El signo menos solo sirve delante de una condición, no de " + word + "."
	case search.BadState:
		return word + " no es un estado."
	case search.BadDuration:
		return word + " no es una duración."
	case search.BadNumber:
		return word + " no es un número."
	case search.BadID:
		return word + " no es un identificador."
	case search.BadComparison:
		return "Con " + word + " no se puede comparar así."
	}
	return errSearch.Message
}

// kind is the only kind of job there is: the task's name.
const kind = "process"
