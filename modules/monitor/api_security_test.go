package monitor

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/monitor/access"
	"anb/platform/database"
	"anb/platform/httpserver"
)

// apiWrite is a request that changes something, on what it needs.
type apiWrite struct {
	role access.Role // that may
	path string
	form url.Values // else body
	body string
	done string // lines that the audit has more afterwards, however often it is sent
}

const apiKey = "5d0c1f4e"

// apiWrites makes a request for each POST route. A route that is not here fails
// the tests below.
func apiWrites(a *apiWorld) map[string]apiWrite {
	a.t.Helper()
	form := func(pairs ...string) url.Values {
		v := url.Values{"key": {apiKey}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	dead := func() string { return a.add(seed{state: "dead"}).String() }
	queued := func() string { return a.add(seed{state: "queued"}).String() }
	operation := func(state string) string {
		id, now, ended := uuid.New(), database.At(time.Now()), any(nil)
		if state != "running" {
			ended = now
		}
		a.exec(`INSERT INTO operations (id, action, filter, ids, reason, who, per_minute, state, total, changed, skipped, lease_until, created_at, finished_at)
			VALUES (?, 'cancel', 'state:waiting', '', '', 'oscar', 0, ?, 0, 0, 0, ?, ?, ?)`, id, state, now, now, ended)
		return id.String()
	}
	worker := func() string {
		id := "w-" + uuid.NewString()
		a.worker(id, 0, 2)
		return id
	}
	queue := func(paused bool) string {
		name := "q-" + uuid.NewString()[:8]
		a.add(seed{state: "queued", queue: name})
		if paused {
			a.exec("INSERT INTO queue_pauses (queue, reason, who, since) VALUES (?, 'x', 'oscar', ?)", name, database.At(time.Now()))
		}
		return name
	}
	drained := worker()
	a.exec("UPDATE workers SET ordered_drain = ? WHERE id = ?", true, drained)
	drained2 := worker()
	a.exec("UPDATE workers SET ordered_drain = ? WHERE id = ?", true, drained2)
	a.exec("INSERT INTO monitor_sessions (id, name, credential, created_at, expires_at) VALUES ('0123456789abcdef', 'x', 'y', ?, ?)",
		database.At(time.Now()), database.At(time.Now().AddDate(1, 0, 0)))
	op := func(path, body string) apiWrite { return apiWrite{access.Operator, path, nil, body, "1"} }
	page := func(path string, pairs ...string) apiWrite {
		return apiWrite{access.Operator, path, form(pairs...), "", "1"}
	}
	admin := func(path, lines string) apiWrite { return apiWrite{access.Admin, path, form(), "", lines} }
	lacks := func(path string) apiWrite { return apiWrite{access.Operator, path, nil, "", "0"} }
	video := a.videoOf(uuid.MustParse(dead())).String()
	return map[string]apiWrite{
		"/jobs/:id/retry":          page("/jobs/" + dead() + "/retry"),
		"/jobs/:id/cancel":         page("/jobs/" + queued() + "/cancel"),
		"/jobs/:id/discard":        page("/jobs/"+dead()+"/discard", "reason", "x"),
		"/queues/:queue/pause":     page("/queues/"+queue(false)+"/pause", "reason", "x"),
		"/queues/:queue/resume":    page("/queues/" + queue(true) + "/resume"),
		"/workers/:worker/drain":   page("/workers/" + worker() + "/drain"),
		"/workers/:worker/resume":  page("/workers/" + drained + "/resume"),
		"/workers/:worker/scale":   page("/workers/"+worker()+"/scale", "slots", "7"),
		"/bulk":                    page("/bulk", "action", "retry", "q", "state:dead"),
		"/operations/:id/stop":     page("/operations/" + operation("running") + "/stop"),
		"/operations/:id/undo":     page("/operations/" + operation("done") + "/undo"),
		"/jobs/:id/reveal":         admin("/jobs/"+dead()+"/reveal", "2"), // changes nothing; each look is audited
		"/sessions/:id/end":        admin("/sessions/0123456789abcdef/end", "1"),
		"/api/v1/jobs/:id/retry":   op("/api/v1/jobs/"+dead()+"/retry", ""),
		"/api/v1/jobs/:id/cancel":  op("/api/v1/jobs/"+queued()+"/cancel", ""),
		"/api/v1/jobs/:id/discard": op("/api/v1/jobs/"+dead()+"/discard", `{"reason":"x"}`),
		"/api/v1/jobs/bulk":        op("/api/v1/jobs/bulk", `{"action":"retry","filter":"state:dead"}`),

		"/api/v1/operations/:id/stop": op("/api/v1/operations/"+operation("running")+"/stop", ""),
		"/api/v1/operations/:id/undo": op("/api/v1/operations/"+operation("done")+"/undo", ""),

		"/api/v1/queues/:queue/pause":     op("/api/v1/queues/"+queue(false)+"/pause", `{"reason":"x"}`),
		"/api/v1/queues/:queue/resume":    op("/api/v1/queues/"+queue(true)+"/resume", ""),
		"/api/v1/queues/:queue/purge":     op("/api/v1/queues/"+queue(false)+"/purge", ""),
		"/api/v1/workers/:worker/drain":   op("/api/v1/workers/"+worker()+"/drain", ""),
		"/api/v1/workers/:worker/resume":  op("/api/v1/workers/"+drained2+"/resume", ""),
		"/api/v1/workers/:worker/scale":   op("/api/v1/workers/"+worker()+"/scale", `{"slots":7}`),
		"/api/v1/workers/:worker/consume": op("/api/v1/workers/"+worker()+"/consume", `{"queue":"other","on":false}`),

		"/api/task/async-apply/:name":               op("/api/task/async-apply/process", `{"args":["`+video+`"]}`),
		"/api/task/send-task/:name":                 op("/api/task/send-task/process", `{"args":["`+a.videoOf(uuid.MustParse(dead())).String()+`"]}`),
		"/api/task/revoke/:id":                      op("/api/task/revoke/"+queued(), ""),
		"/api/worker/shutdown/:worker":              op("/api/worker/shutdown/"+worker(), ""),
		"/api/worker/pool/grow/:worker":             op("/api/worker/pool/grow/"+worker()+"?n=1", ""),
		"/api/worker/pool/shrink/:worker":           op("/api/worker/pool/shrink/"+worker()+"?n=1", ""),
		"/api/worker/pool/autoscale/:worker":        op("/api/worker/pool/autoscale/"+worker()+"?min=1&max=4", ""),
		"/api/worker/queue/add-consumer/:worker":    {access.Operator, "/api/worker/queue/add-consumer/" + worker() + "?queue=other", nil, "", "0"}, // it does already
		"/api/worker/queue/cancel-consumer/:worker": op("/api/worker/queue/cancel-consumer/"+worker()+"?queue=other", ""),
		"/api/worker/pool/restart/:worker":          lacks("/api/worker/pool/restart/" + worker()),
		"/api/task/apply/:name":                     lacks("/api/task/apply/process"),
		"/api/task/timeout/:name":                   lacks("/api/task/timeout/process"),
		"/api/task/rate-limit/:name":                lacks("/api/task/rate-limit/process"),
		"/api/task/abort/:id":                       lacks("/api/task/abort/" + queued()),
	}
}

// apiFree are the POST routes that change nothing but the caller's own session
// or cookie: no role is needed, but no other site may send them either.
var apiFree = map[string]bool{"/login": true, "/logout": true, "/preferences": true}

// apiEach calls f for every POST route of the dashboard.
func apiEach(a *apiWorld, f func(route string, w apiWrite)) {
	a.t.Helper()
	writes := apiWrites(a)
	a.look()
	routes := 0
	for _, r := range httpserver.Routes(a.e) {
		method, route, _ := strings.Cut(r, " ")
		require.Contains(a.t, []string{"GET", "POST"}, method, "nothing else changes anything")
		if method != http.MethodPost || apiFree[route] {
			continue
		}
		w, ok := writes[route]
		require.True(a.t, ok, "%s is not tested: add it to apiWrites", route)
		f(route, w)
		delete(writes, route)
		routes++
	}
	require.Empty(a.t, writes, "no such routes")
	require.Greater(a.t, routes, 35)
}

// send sends a write as one of people.
func (w apiWrite) send(a *apiWorld, name string, header ...string) apiReply {
	body, kind := w.body, "application/json"
	if w.form != nil {
		body, kind = w.form.Encode(), "application/x-www-form-urlencoded"
	}
	return a.ask(name, http.MethodPost, w.path, body, append([]string{"Content-Type", kind, "Idempotency-Key", apiKey}, header...)...)
}

func TestWrites_NeedTheirRole(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	apiEach(a, func(route string, w apiWrite) {
		for name, role := range people {
			if role.Allows(w.role) {
				continue
			}
			require.Equal(t, http.StatusForbidden, w.send(a, name).status, "%s as %s", route, role)
			require.Equal(t, http.StatusForbidden, w.send(a, name+":"+madeTokens()[name][0]).status, "%s as %s with Basic", route, role)
		}
		require.Equal(t, http.StatusUnauthorized, w.send(a, "").status, "%s as nobody", route)
		require.Equal(t, http.StatusUnauthorized, w.send(a, "", "Authorization", "Bearer anbm_wrong").status, "%s with a wrong token", route)
	})
	require.Equal(t, "0", a.text("SELECT count(*) FROM audit_events"))
}

// cookie signs olga in.
func (a *apiWorld) cookie() string {
	a.t.Helper()
	r := a.ask("", http.MethodPost, "/login", url.Values{"name": {"olga"}, "password": {apiPassword}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(a.t, http.StatusSeeOther, r.status, r.body)
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	require.NotEmpty(a.t, cookie)
	return cookie
}

func TestWrites_AreNotTakenFromOtherSites(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	cookie := a.cookie()
	require.Equal(t, http.StatusOK, a.ask("", http.MethodGet, "/api/task/types", "", "Cookie", cookie).status, "the cookie is good")
	before := a.text("SELECT count(*) FROM audit_events")
	foreign := [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	}
	for route := range apiFree {
		for _, f := range foreign {
			require.Equal(t, http.StatusForbidden, a.ask("", http.MethodPost, route, "", append([]string{"Cookie", cookie}, f...)...).status, route)
		}
	}
	apiEach(a, func(route string, w apiWrite) {
		for _, f := range foreign {
			require.Equal(t, http.StatusForbidden, w.send(a, "", append([]string{"Cookie", cookie}, f...)...).status, "%s %v", route, f)
		}
	})
	require.Equal(t, before, a.text("SELECT count(*) FROM audit_events"))
}

func TestWrites_TwiceIsOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		apiEach(a, func(route string, w apiWrite) {
			name := "oscar"
			if w.role == access.Admin {
				name = "ada"
			}
			before := a.audited()
			first := w.send(a, name)
			if w.done == "0" && strings.Contains(first.body, "Not supported") {
				require.Equal(t, http.StatusNotImplemented, first.status, route)
			} else {
				require.Less(t, first.status, 400, "%s: %s", route, first.body)
			}
			second := w.send(a, name)
			if w.form == nil {
				require.Equal(t, first.status, second.status, "%s: %s", route, second.body)
				require.Equal(t, first.body, second.body, route)
			}
			require.Equal(t, w.done, a.text("SELECT count(*) - "+before+" FROM audit_events WHERE result = 'done'"), "%s: lines of the audit", route)
		})
		require.Equal(t, "5", a.text("SELECT count(*) FROM operations WHERE filter <> 'state:waiting'"), "two of bulk, two of undo, and purge")
	})
}
