package monitor

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/google/uuid"

	"anb/platform/fault"
)

// topics are what a page wants to be told of.
type topics struct {
	names []string // strip, overview, queues, workers, dead
	job   string   // an id; empty: none
	op    string
	rows  []string
}

// named are the fragments that depend on nothing but the snapshot.
var named = map[string]bool{"strip": true, "overview": true, "queues": true, "workers": true, "dead": true}

// parseTopics reads them as a page writes them.
func parseTopics(s string) (topics, error) {
	var t topics
	for part := range strings.FieldsSeq(s) {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case named[part]:
			t.names = append(t.names, name)
		case value == "":
			return t, fault.ErrParameter
		case name == "rows":
			t.rows = strings.Split(value, ",")
		case name == "job":
			t.job = value
		case name == "op":
			t.op = value
		default:
			return t, fault.ErrParameter
		}
	}
	ids := append([]string{}, t.rows...)
	for _, id := range []string{t.job, t.op} {
		if id != "" {
			ids = append(ids, id)
		}
	}
	if len(t.names) > len(named) || len(t.rows) > 2*perPage {
		return t, fault.ErrParameter
	}
	for _, id := range ids {
		if _, err := uuid.Parse(id); err != nil || len(id) != 36 {
			return t, fault.ErrParameter
		}
	}
	return t, nil
}

// fragment is a part of a page: what stands in the element with the id.
type fragment struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
}

// fragments remembers what was rendered of a snapshot, for all who want the
// same.
type fragments struct {
	mu   sync.Mutex
	seq  int64
	made map[string]string
}

// once returns what make made for the key of this snapshot.
func (f *fragments) once(seq int64, key string, make func() (string, error)) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made == nil || f.seq < seq {
		f.seq, f.made = seq, map[string]string{}
	}
	if f.seq > seq {
		return make() // a slow one
	}
	if html, ok := f.made[key]; ok {
		return html, nil
	}
	html, err := make()
	if err == nil {
		f.made[key] = html
	}
	return html, err
}

// render makes the fragments that t asks for of a snapshot. v is the view of
// who asks.
func (m *Module) render(t topics, v view, s *Snapshot) ([]fragment, error) {
	v.Snap, v.H = s, s.Headline()
	var out []fragment
	add := func(id, of, name string, page any) error {
		key := fmt.Sprint(id, of, v.Lang, v.CanOperate, v.CanAdmin)
		html, err := m.fragments.once(s.Seq, key, func() (string, error) {
			v := v
			v.Page = page
			var b bytes.Buffer
			err := m.pages.sets[v.Lang].ExecuteTemplate(&b, name, v)
			return b.String(), err
		})
		out = append(out, fragment{"live-" + id, html})
		return err
	}
	for _, name := range t.names {
		template := name + "-live"
		if name == "strip" {
			template = name
		}
		if err := add(name, "", template, nil); err != nil {
			return nil, err
		}
	}
	if d, ok := s.Jobs[t.job]; ok {
		page := m.jobData(d)
		for _, part := range []string{"job", "log", "attempts", "commands"} {
			if err := add(part, t.job, part+"-live", page); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range t.rows {
		if j, ok := s.Rows[id]; ok {
			if err := add("row-"+id, "", "row-live", j); err != nil {
				return nil, err
			}
		}
	}
	for _, o := range s.Ops {
		if o.ID.String() == t.op {
			if err := add("op", t.op, "op-live", o); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
