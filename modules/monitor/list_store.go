package monitor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"anb/platform/database"
)

// filter selects jobs. Its conditions speak of jobs j.
type filter struct {
	states []State // empty: all
	queues []string
	conds  []cond
}

// cond is a condition with the arguments of its question marks.
type cond struct {
	sql  string
	args []any
}

func (f *filter) where(sql string, args ...any) { f.conds = append(f.conds, cond{sql, args}) }

// branch is what one state is in the database.
type branch struct {
	state string
	rest  string // a condition; empty: none
	args  []any
}

func (s store) branch(x State) branch {
	lag := database.Micros(s.lag())
	stuck := "(j.lease_until < " + s.db.Now() + " OR coalesce(j.progressed_at, j.started_at) < " + s.db.Ago() + ")"
	switch x {
	case Waiting:
		return branch{state: "queued", rest: "j.run_after <= " + s.db.Now()}
	case Scheduled:
		return branch{state: "queued", rest: "j.run_after > " + s.db.Now()}
	case Running:
		return branch{state: "running", rest: "NOT j.cancel_requested AND NOT " + stuck, args: []any{lag}}
	case Stuck:
		return branch{state: "running", rest: "NOT j.cancel_requested AND " + stuck, args: []any{lag}}
	case Cancelling:
		return branch{state: "running", rest: "j.cancel_requested"}
	case Dead:
		return branch{state: "dead", rest: "j.discarded_at IS NULL"}
	case Discarded:
		return branch{state: "dead", rest: "j.discarded_at IS NOT NULL"}
	}
	return branch{state: string(x)}
}

// The orders of a selection.
const (
	newestFirst = " ORDER BY id DESC LIMIT ?"
	oldestFirst = " ORDER BY id LIMIT ?"
)

// selection builds a statement for the ids of at most limit jobs. Each state and queue is a part of its own
// that one index serves in this order, so that no page costs more than another.
func (s store) selection(f filter, bound string, arg any, order string, limit int) (string, []any) {
	states := f.states
	if len(states) == 0 && len(f.queues) > 0 {
		states = States()
	}
	queues := f.queues
	if len(queues) == 0 {
		queues = []string{""}
	}
	var (
		parts []string
		args  []any
	)
	part := func(queue string, b branch) {
		where := []string{"1 = 1"}
		add := func(sql string, more ...any) { where, args = append(where, sql), append(args, more...) }
		if queue != "" {
			add("j.queue = ?", queue)
		}
		if b.state != "" {
			add("j.state = ?", b.state)
		}
		if b.rest != "" {
			add(b.rest, b.args...)
		}
		for _, c := range f.conds {
			add(c.sql, c.args...)
		}
		if bound != "" {
			add(bound, arg)
		}
		args = append(args, limit)
		parts = append(parts, "SELECT * FROM (SELECT j.id FROM jobs j WHERE "+strings.Join(where, " AND ")+order+") p")
	}
	for _, q := range queues {
		if len(states) == 0 {
			part(q, branch{})
		}
		for _, x := range states {
			part(q, s.branch(x))
		}
	}
	if len(parts) == 1 {
		return parts[0], args
	}
	return "SELECT * FROM (" + strings.Join(parts, " UNION ALL ") + ") u" + order, append(args, limit)
}

// page asks for a part of a list: what comes after a job, or before it.
type page struct {
	after, before *uuid.UUID
	limit         int
}

// list returns a page of the jobs that f selects, newest first, and whether
// there are newer and older ones.
func (s store) list(ctx context.Context, f filter, p page, now time.Time) (jobs []Job, newer, older bool, err error) {
	bound, arg, order := "", any(nil), newestFirst
	switch {
	case p.after != nil:
		bound, arg = "j.id < ?", *p.after
	case p.before != nil:
		bound, arg, order = "j.id > ?", *p.before, oldestFirst
	}
	ids, args := s.selection(f, bound, arg, order, p.limit+1)
	var rows []jobRow
	err = s.db.Read(ctx).Raw("SELECT "+jobColumns+" FROM jobs"+jobTables+"WHERE j.id IN ("+ids+") ORDER BY j.id DESC", args...).Scan(&rows).Error
	if err != nil {
		return nil, false, false, err
	}
	more := len(rows) > p.limit
	switch {
	case p.before != nil:
		newer, older = more, true
		if more {
			rows = rows[1:]
		}
	default:
		newer, older = p.after != nil, more
		if more {
			rows = rows[:p.limit]
		}
	}
	for _, r := range rows {
		jobs = append(jobs, s.job(r, now))
	}
	return jobs, newer, older, nil
}

// maxCount is how far a list is counted.
const maxCount = 10_000

// counts returns how many jobs of each state f selects, whatever states it
// asks for, no further than maxCount+1 each.
func (s store) counts(ctx context.Context, f filter) (map[State]int64, error) {
	var (
		columns []string
		args    []any
	)
	for _, x := range States() {
		one := f
		one.states = []State{x}
		ids, more := s.selection(one, "", nil, newestFirst, maxCount+1)
		columns = append(columns, "(SELECT count(*) FROM ("+ids+") c) AS "+string(x))
		args = append(args, more...)
	}
	row := map[string]any{}
	if err := s.db.Read(ctx).Raw("SELECT "+strings.Join(columns, ", "), args...).Scan(&row).Error; err != nil {
		return nil, err
	}
	out := map[State]int64{}
	for x, n := range row {
		if n, ok := n.(int64); ok {
			out[State(x)] = n
		}
	}
	return out, nil
}

// total counts the jobs that f selects, no further than maxCount+1.
func (s store) total(ctx context.Context, f filter) (n int64, err error) {
	ids, args := s.selection(f, "", nil, newestFirst, maxCount+1)
	err = s.db.Read(ctx).Raw("SELECT count(*) FROM ("+ids+") c", args...).Scan(&n).Error
	return n, err
}

// exact counts all jobs that f selects: for the preview of what is done to
// them. It takes as long as it takes, within the query timeout.
func (s store) exact(ctx context.Context, f filter) (n int64, err error) {
	ids, args := s.selection(f, "", nil, newestFirst, 1<<31-1)
	err = s.db.Read(ctx).Raw("SELECT count(*) FROM ("+ids+") c", args...).Scan(&n).Error
	return n, err
}

// ids returns the next jobs that f selects, the oldest first, after last.
func (s store) ids(ctx context.Context, f filter, last uuid.NullUUID, limit int) (out []uuid.UUID, err error) {
	bound, arg := "", any(nil)
	if last.Valid {
		bound, arg = "j.id > ?", last.UUID
	}
	q, args := s.selection(f, bound, arg, oldestFirst, limit)
	var rows []struct{ ID uuid.UUID }
	err = s.db.Read(ctx).Raw(q, args...).Scan(&rows).Error
	for _, r := range rows {
		out = append(out, r.ID)
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	return out, err
}

// made is the least id of a job that was made at t or later: ids are UUIDv7.
func made(t time.Time) uuid.UUID {
	var id uuid.UUID
	ms := uint64(max(0, t.UnixMilli()))
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6] = 0x70
	id[8] = 0x80
	return id
}
