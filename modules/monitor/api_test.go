package monitor

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/platform/database"
	"anb/platform/httpserver"
	"anb/platform/openapi/openapitest"
)

func TestAPI_EveryRouteIsInTheDocumentAndViceVersa(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	var routes []openapitest.Route
	registered := map[string]bool{}
	parameter := regexp.MustCompile(`[:{][a-z_]+}?`)
	for _, r := range httpserver.Routes(a.e) {
		method, path, _ := strings.Cut(r, " ")
		if strings.HasPrefix(path, apiRoot+"/") {
			routes = append(routes, openapitest.Route{Method: method, Path: path})
			registered[method+" "+parameter.ReplaceAllString(path, "{}")] = true
		}
	}
	require.NotEmpty(t, routes)
	require.Empty(t, openapitest.RoutesMissing(a.checker.Document(), routes))
	for path, item := range a.checker.Document().Paths.Map() {
		for method, op := range item.Operations() {
			require.True(t, registered[method+" "+parameter.ReplaceAllString(path, "{}")], "%s %s is documented and not there", method, path)
			role, _ := op.Extensions["x-role"].(string)
			require.Equal(t, method == http.MethodPost, role == "operator", "%s %s", method, path)
		}
	}
}

// TestAPI_EveryAnswerIsAsDocumented goes through all operations; the client
// compares each answer with the document.
func TestAPI_EveryAnswerIsAsDocumented(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		variety(a.world)
		a.worker("w1", 0, 2)
		a.exec(`INSERT INTO queue_samples (queue, width, at, arrived, started, done, failed, waiting, running, oldest_ms, wait_p50_ms)
			VALUES ('video_queue', 'minute', ?, 1, 2, 3, 4, 5, 6, 7000, 8000)`, database.At(time.Now().Truncate(time.Minute)))
		waiting := a.add(seed{state: "queued"})
		dead, other := a.add(seed{state: "dead", reason: "timeout"}), a.add(seed{state: "dead"})
		a.look()
		for _, path := range []string{"/overview", "/queues", "/queues/video_queue", "/jobs?limit=3", "/workers", "/workers/w1", "/dead/groups", "/series", "/openapi.json", "/docs"} {
			a.read("vera", apiRoot+path).into(http.StatusOK, nil)
		}
		for _, x := range seriesMetrics() {
			a.read("vera", apiRoot+"/series?range=24h&metric="+x.name).into(http.StatusOK, nil)
		}
		a.order("/queues/video_queue/pause", `{"reason":"mantenimiento"}`).into(http.StatusOK, nil)
		a.look()
		a.read("vera", apiRoot+"/queues/video_queue").into(http.StatusOK, nil)
		a.order("/queues/video_queue/resume", "").into(http.StatusOK, nil)
		a.order("/jobs/"+dead.String()+"/retry", "").into(http.StatusOK, nil)
		a.order("/jobs/"+other.String()+"/discard", `{"reason":"ya no importa"}`).into(http.StatusOK, nil)
		a.order("/jobs/"+waiting.String()+"/cancel", `{}`).into(http.StatusOK, nil)
		for _, id := range []uuid.UUID{waiting, dead, other} {
			a.read("vera", apiRoot+"/jobs/"+id.String()).into(http.StatusOK, nil)
		}
		a.read("vera", apiRoot+"/jobs/"+dead.String()+"/log?tail=1").into(http.StatusOK, nil)
		a.order("/workers/w1/drain", "").into(http.StatusOK, nil)
		a.order("/workers/w1/resume", "").into(http.StatusOK, nil)
		a.order("/workers/w1/scale", `{"slots":4}`).into(http.StatusOK, nil)
		a.order("/workers/w1/consume", `{"queue":"other","on":false}`).into(http.StatusOK, nil)
		a.look()
		a.read("vera", apiRoot+"/workers/w1").into(http.StatusOK, nil)
		a.order("/jobs/bulk", `{"action":"cancel","filter":"state:waiting","dry_run":true}`).into(http.StatusOK, nil)
		var begun struct {
			OpID string `json:"op_id"`
		}
		a.order("/queues/video_queue/purge", `{"dry_run":true}`).into(http.StatusOK, nil)
		a.order("/queues/video_queue/purge", "").into(http.StatusAccepted, &begun)
		a.read("vera", apiRoot+"/operations/"+begun.OpID).into(http.StatusOK, nil)
		a.order("/operations/"+begun.OpID+"/stop", "").into(http.StatusOK, nil)
		a.order("/operations/"+begun.OpID+"/undo", "").into(http.StatusAccepted, nil)
		a.order("/jobs/bulk", fmt.Sprintf(`{"action":"retry","ids":[%q],"per_minute":60}`, waiting)).into(http.StatusAccepted, nil)
		a.read("vera", apiRoot+"/audit?limit=2").into(http.StatusOK, nil)
		a.look()
		a.read("vera", apiRoot+"/overview").into(http.StatusOK, nil)
		firstEvent(a)
		require.Empty(t, a.checker.Uncovered())
	})
}

// firstEvent reads the first event of the stream.
func firstEvent(a *apiWorld) (event string, s apiOverviewAnswer) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.server.URL+apiRoot+"/events", nil)
	require.NoError(a.t, err)
	req.SetBasicAuth("vera", madeTokens()["vera"][0])
	res, err := a.client.Do(req)
	require.NoError(a.t, err)
	defer res.Body.Close()
	require.Equal(a.t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.NoError(a.t, json.Unmarshal([]byte(data), &s))
		}
		if lines.Text() == "" && event != "" {
			return event, s
		}
	}
	require.FailNow(a.t, "the stream ended", lines.Err())
	return event, s
}

func TestAPI_TheStreamTellsTheOverview(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	a.add(seed{state: "queued"})
	a.watching()
	event, s := firstEvent(a)
	require.Equal(t, "snapshot", event)
	require.EqualValues(t, 1, s.Headline.Waiting)
	require.False(t, s.Lost)
}

func TestAPI_RefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		done, waiting, running := a.add(seed{state: "done", worker: "w1"}), a.add(seed{state: "queued"}), a.add(seed{state: "running"})
		a.worker("w1", 0, 2)
		a.exec("UPDATE workers SET queues = 'video_queue'")
		a.look()
		gone := uuid.NewString()
		for _, tt := range []struct {
			method, path, body string
			status             int
			code               string
		}{
			{"GET", "/jobs?state=asleep", "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?limit=-1", "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?limit=201", "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?cursor=x", "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?cursor=" + url.QueryEscape("'; DROP TABLE jobs"), "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?queue=%00", "", 400, "INVALID_PARAMETER"},
			{"GET", "/jobs?q=color:red", "", 400, "INVALID_SEARCH"},
			{"GET", "/jobs/" + gone, "", 404, "JOB_NOT_FOUND"},
			{"GET", "/jobs/%3Cscript%3E", "", 404, "JOB_NOT_FOUND"},
			{"GET", "/jobs/" + waiting.String() + "/log", "", 404, "ATTEMPT_NOT_FOUND"},
			{"GET", "/jobs/" + done.String() + "/log?attempt=7", "", 404, "ATTEMPT_NOT_FOUND"},
			{"GET", "/jobs/" + done.String() + "/log?tail=0", "", 400, "INVALID_PARAMETER"},
			{"GET", "/queues/none", "", 404, "QUEUE_NOT_FOUND"},
			{"GET", "/workers/none", "", 404, "WORKER_NOT_FOUND"},
			{"GET", "/operations/" + gone, "", 404, "OPERATION_NOT_FOUND"},
			{"GET", "/series?metric=luck", "", 400, "INVALID_PARAMETER"},
			{"GET", "/series?range=1y", "", 400, "INVALID_PARAMETER"},
			{"GET", "/audit?who=a&who=b", "", 400, "INVALID_PARAMETER"},
			{"GET", "/nothing", "", 404, "NOT_FOUND"},
			{"POST", "/overview", "", 405, "METHOD_NOT_ALLOWED"},
			{"POST", "/jobs/" + gone + "/retry", "", 404, "JOB_NOT_FOUND"},
			{"POST", "/jobs/" + done.String() + "/retry", "", 409, "JOB_STATE_CONFLICT"},
			{"POST", "/jobs/" + done.String() + "/cancel", "", 409, "JOB_STATE_CONFLICT"},
			{"POST", "/jobs/" + running.String() + "/discard", `{"reason":"x"}`, 409, "JOB_STATE_CONFLICT"},
			{"POST", "/jobs/" + done.String() + "/discard", "", 400, "REASON_REQUIRED"},
			{"POST", "/jobs/" + waiting.String() + "/cancel", `{"reason":7}`, 400, "VALIDATION_FAILED"},
			{"POST", "/jobs/" + waiting.String() + "/cancel", `nonsense`, 400, "MALFORMED_JSON"},
			{"POST", "/jobs/" + waiting.String() + "/cancel", `{"reason":"` + strings.Repeat("x", 501) + `"}`, 400, "INVALID_PARAMETER"},
			{"POST", "/jobs/" + waiting.String() + "/cancel", `{"reason":"` + strings.Repeat("x", 70_000) + `"}`, 413, "BODY_TOO_LARGE"},
			{"POST", "/queues/none/pause", `{"reason":"x"}`, 404, "QUEUE_NOT_FOUND"},
			{"POST", "/queues/video_queue/pause", "", 400, "REASON_REQUIRED"},
			{"POST", "/queues/none/purge", "", 404, "QUEUE_NOT_FOUND"},
			{"POST", "/workers/none/drain", "", 404, "WORKER_NOT_FOUND"},
			{"POST", "/workers/w1/scale", `{"slots":0}`, 400, "VALIDATION_FAILED"},
			{"POST", "/workers/w1/scale", `{"slots":257}`, 400, "VALIDATION_FAILED"},
			{"POST", "/workers/w1/scale", "", 400, "MALFORMED_JSON"},
			{"POST", "/workers/w1/consume", `{"queue":"audio"}`, 400, "VALIDATION_FAILED"},
			{"POST", "/jobs/bulk", `{"action":"explode","filter":"state:dead"}`, 400, "UNKNOWN_ACTION"},
			{"POST", "/jobs/bulk", `{"action":"retry"}`, 400, "FILTER_REQUIRED"},
			{"POST", "/jobs/bulk", `{"action":"retry","filter":"a","ids":["` + gone + `"]}`, 400, "FILTER_OR_IDS"},
			{"POST", "/jobs/bulk", `{"action":"retry","ids":["1 OR 1=1"]}`, 400, "INVALID_PARAMETER"},
			{"POST", "/jobs/bulk", `{"action":"discard","filter":"state:dead"}`, 400, "REASON_REQUIRED"},
			{"POST", "/jobs/bulk", `{"action":"retry","filter":"state:dead","per_minute":-1}`, 400, "INVALID_PARAMETER"},
			{"POST", "/operations/" + gone + "/stop", "", 404, "OPERATION_NOT_FOUND"},
			{"POST", "/operations/" + gone + "/undo", "", 404, "OPERATION_NOT_FOUND"},
		} {
			r := a.ask("oscar", tt.method, apiRoot+tt.path, tt.body)
			require.Equal(t, tt.code, r.code(tt.status), "%s %s", tt.method, tt.path)
		}
		require.Equal(t, "UNSUPPORTED_MEDIA_TYPE", a.order("/workers/w1/scale", `slots=3`, "Content-Type", "application/x-www-form-urlencoded").code(415))
		require.Equal(t, "0", a.audited())
	})
}

func TestAPI_AConflictNamesTheStateForPrograms(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	for state, s := range map[string]seed{
		"DONE": {state: "done"}, "DISCARDED": {state: "dead", discarded: true}, "CANCELLED": {state: "cancelled"},
	} {
		var p struct {
			Detail string
			Errors []struct{ Field, Code string }
		}
		a.order("/jobs/"+a.add(s).String()+"/cancel", "").into(http.StatusConflict, &p)
		require.Len(t, p.Errors, 1)
		require.Equal(t, "state", p.Errors[0].Field)
		require.Equal(t, state, p.Errors[0].Code)
		require.Contains(t, p.Detail, "La tarea está ")
	}
}

func TestAPI_ListsGoOnUntilTheEndAndMissNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		variety(a.world)
		var want []string
		require.NoError(t, d.Read(t.Context()).Raw("SELECT CAST(id AS text) FROM jobs WHERE state = 'dead' AND discarded_at IS NULL OR state = 'retrying' ORDER BY id DESC").Scan(&want).Error)
		var got []string
		next, pages := apiRoot+"/jobs?state=dead,retrying&limit=4", 0
		for next != "" {
			var answer struct {
				Jobs []struct{ ID, State string }
				Next *string
			}
			r := a.read("vera", next).into(http.StatusOK, &answer)
			for _, j := range answer.Jobs {
				got = append(got, j.ID)
			}
			next = ""
			if answer.Next != nil {
				next = *answer.Next
				require.Equal(t, "<"+next+`>; rel="next"`, r.header.Get("Link"))
			} else {
				require.Empty(t, r.header.Get("Link"))
			}
			pages++
		}
		require.Equal(t, want, got)
		require.Equal(t, 4, pages)
		for query, n := range map[string]int{
			"?queue=other": 7, "?queue=other&state=dead": 0, "?queue=other,video_queue&state=retrying": 7, "?q=queue:other&queue=video_queue": 0,
			"?state=dead&q=state:dead,done": 7, "?state=done&q=-state:done": 0, "?state=stuck&state=cancelling": 14, "?queue=none": 0,
		} {
			var answer struct{ Jobs []struct{ ID string } }
			a.read("vera", apiRoot+"/jobs"+query).into(http.StatusOK, &answer)
			require.Len(t, answer.Jobs, n, query)
		}
		a.look()
		for range 3 {
			a.order("/queues/video_queue/pause", `{"reason":"x"}`)
			a.look()
			a.order("/queues/video_queue/resume", "")
		}
		var first, second struct {
			Events []struct{ ID string }
			Next   *string
		}
		a.read("vera", apiRoot+"/audit?limit=4&who=oscar").into(http.StatusOK, &first)
		a.read("vera", *first.Next).into(http.StatusOK, &second)
		require.Len(t, second.Events, 2)
		require.Nil(t, second.Next)
		require.NotContains(t, first.Events, second.Events[0])
	})
}

func TestAPI_HidesOfAJobWhatItsPageHides(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	id := a.add(seed{state: "dead", worker: "w1"})
	key := a.text("SELECT original_key FROM videos")
	a.exec("UPDATE job_attempts SET stderr_tail = ?, error = ?, commands = ?", "reading "+key+"\nsecond \x1b[31mline\n", "no "+key, "ffmpeg -i "+key)
	job, log := a.read("ada", apiRoot+"/jobs/"+id.String()), a.read("ada", apiRoot+"/jobs/"+id.String()+"/log")
	require.Equal(t, http.StatusOK, job.status)
	for _, secret := range []string{key, "ana@example.com", `"original_sha256","value":"x"`} {
		require.NotContains(t, job.body, secret)
		require.NotContains(t, log.body, secret)
	}
	require.Contains(t, job.body, Hidden)
	require.Equal(t, "reading "+Hidden+"\nsecond [31mline\n", log.body)
	require.Equal(t, "second [31mline\n", a.read("vera", apiRoot+"/jobs/"+id.String()+"/log?tail=1&attempt=1").body)
	require.Contains(t, log.header.Get("Content-Type"), "text/plain")
}

func TestAPI_ReadsOfTheSnapshotAskTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	variety(a.world)
	a.worker("w1", 0, 2)
	a.look()
	require.NoError(t, a.db.Close()) // whoever asks fails
	for _, path := range []string{
		apiRoot + "/overview", apiRoot + "/queues", apiRoot + "/queues/video_queue", apiRoot + "/workers", apiRoot + "/workers/w1",
		apiRoot + "/dead/groups", apiRoot + "/docs", apiRoot + "/openapi.json", "/api/workers", "/api/workers?status=1", "/api/queues/length",
		"/api/task/types", "/workers?json=1",
	} {
		a.read("vera", path).into(http.StatusOK, nil)
	}
	require.NotEqual(t, http.StatusOK, a.read("vera", apiRoot+"/jobs").status, "this one does ask")
	a.look()
	var s apiOverviewAnswer
	a.read("vera", apiRoot+"/overview").into(http.StatusOK, &s)
	require.True(t, s.Lost)
	require.EqualValues(t, 7, s.Headline.Waiting, "the last that was known")
}

func TestAPI_AKeyMakesTwiceOnceAndBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		one, two := a.add(seed{state: "dead"}), a.add(seed{state: "dead"})
		a.worker("w1", 0, 2)
		a.look()
		key := []string{"Idempotency-Key", "mine"}
		first := a.order("/jobs/"+one.String()+"/retry", "", key...).into(http.StatusOK, nil)
		require.Equal(t, first.body, a.order("/jobs/"+one.String()+"/retry", "", key...).into(http.StatusOK, nil).body)
		a.order("/jobs/"+two.String()+"/retry", "", key...).into(http.StatusOK, nil)
		require.Equal(t, "queued", a.state(two), "the key is another job's too")
		require.Equal(t, "JOB_STATE_CONFLICT", a.order("/jobs/"+one.String()+"/retry", "", "Idempotency-Key", "other").code(http.StatusConflict))
		a.order("/workers/w1/scale", `{"slots":5}`, key...).into(http.StatusOK, nil)
		require.Equal(t, "IDEMPOTENCY_KEY_REUSED", a.order("/workers/w1/scale", `{"slots":6}`, key...).code(http.StatusBadRequest))
		require.Equal(t, "5", a.text("SELECT ordered_slots FROM workers"))
		bulk := a.order("/jobs/bulk", `{"action":"cancel","filter":"state:waiting"}`, key...).into(http.StatusAccepted, nil)
		require.Equal(t, bulk.body, a.order("/jobs/bulk", `{"action":"cancel","filter":"state:waiting"}`, key...).into(http.StatusAccepted, nil).body)
		require.Equal(t, "IDEMPOTENCY_KEY_REUSED", a.order("/jobs/bulk", `{"action":"cancel","filter":"state:scheduled"}`, key...).code(http.StatusBadRequest))
		require.Equal(t, "1", a.text("SELECT count(*) FROM operations"))
		for _, bad := range []string{"with space", strings.Repeat("k", 101), "ñ"} {
			require.Equal(t, "INVALID_IDEMPOTENCY_KEY", a.order("/jobs/"+one.String()+"/cancel", "", "Idempotency-Key", bad).code(http.StatusBadRequest))
		}
	})
}

func TestAPI_PurgeCancelsWhatNoWorkerHoldsAndCanBeUndone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		held := a.add(seed{state: "running"})
		elsewhere := a.add(seed{state: "queued", queue: "other"})
		wait := []uuid.UUID{
			a.add(seed{state: "queued"}), a.add(seed{state: "queued", runAfter: time.Now().Add(time.Hour)}), a.add(seed{state: "retrying"}),
		}
		a.look()
		var answer struct {
			OpID  *string `json:"op_id"`
			Count int
		}
		a.order("/queues/video_queue/purge", `{"dry_run":true}`).into(http.StatusOK, &answer)
		require.Nil(t, answer.OpID)
		require.Equal(t, 3, answer.Count)
		require.Equal(t, "0", a.text("SELECT count(*) FROM operations"))
		a.order("/queues/video_queue/purge", `{"reason":"mal lote"}`).into(http.StatusAccepted, &answer)
		require.NoError(t, a.m.carryOn(t.Context()))
		for _, id := range wait {
			require.Equal(t, "cancelled", a.state(id))
		}
		require.Equal(t, "running", a.state(held))
		require.Equal(t, "queued", a.state(elsewhere))
		var op struct {
			State   string
			Changed int
			Reason  string
		}
		a.read("vera", apiRoot+"/operations/"+*answer.OpID).into(http.StatusOK, &op)
		require.Equal(t, "done", op.State)
		require.Equal(t, 3, op.Changed)
		require.Equal(t, "mal lote", op.Reason)
		a.order("/operations/"+*answer.OpID+"/undo", "").into(http.StatusAccepted, &answer)
		require.Equal(t, 3, answer.Count)
		require.NoError(t, a.m.carryOn(t.Context()))
		for _, id := range wait {
			require.Equal(t, "queued", a.state(id))
		}
	})
}

func TestAPI_TheDocumentationPageObeysThePolicyAndExplainsEveryCode(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	r := a.read("vera", apiRoot+"/docs").into(http.StatusOK, nil)
	require.NotRegexp(t, `<script>|<style|style=| on[a-z]+=|javascript:`, r.body)
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(r.body, -1) {
		require.True(t, strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "//"), m[1])
	}
	for path, item := range a.checker.Document().Paths.Map() {
		require.Contains(t, r.body, path)
		for _, op := range item.Operations() {
			require.Contains(t, r.body, op.Summary)
		}
	}
	codes := regexp.MustCompile(`tr id="([A-Z_]+)"`).FindAllStringSubmatch(r.body, -1)
	require.True(t, slices.ContainsFunc(codes, func(m []string) bool { return m[1] == "JOB_STATE_CONFLICT" }))
	require.Equal(t, apiRoot+"/docs", a.read("vera", "/docs/errors").header.Get("Location"))
	require.Equal(t, http.StatusNotFound, a.read("", "/assets/openapi.yaml").status, "strangers do not read it")
	require.Equal(t, "UNAUTHENTICATED", a.read("", apiRoot+"/docs").code(http.StatusUnauthorized))
}

func TestAPI_NamesInAddressesAreWhatTheyMean(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	for _, name := range []string{"a/b", "a%2Fb", "cola de videos", "ñandú", "100%"} {
		a.add(seed{state: "queued", queue: name})
		a.look()
		var q struct{ Name string }
		a.read("vera", apiRoot+"/queues/"+url.PathEscape(name)).into(http.StatusOK, &q)
		require.Equal(t, name, q.Name)
	}
}
