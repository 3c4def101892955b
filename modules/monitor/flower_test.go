package monitor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/processing"
	"anb/platform/database"
)

// curl asks as the scripts do: with -u and, with data, as a form.
func (a *apiWorld) curl(name, method, path, data string) apiReply {
	a.t.Helper()
	kind := ""
	if data != "" {
		kind = "application/x-www-form-urlencoded"
	}
	return a.ask(name+":"+madeTokens()[name][0], method, path, data, "Content-Type", kind, "User-Agent", "curl/8.5.0", "Accept", "*/*")
}

// succeed is an encoder that works.
func succeed(_ context.Context, j processing.Job, report processing.Report) (processing.Output, error) {
	report(processing.StageEncode, 50, 1)
	return encoded(j)
}

// flowerTaskKeys are all that a task has, in Flower's names.
var flowerTaskKeys = strings.Fields(`uuid task-id name state args kwargs result exception traceback received started succeeded failed retried revoked
	sent timestamp runtime worker retries eta expires exchange routing_key client clock`)

func TestFlower_AnAutoscalerReadsQueueLengthsAndGrowsAWorker(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		worker := a.laborer(succeed)
		a.report(worker)
		for range 7 {
			a.add(seed{state: "queued"})
		}
		a.add(seed{state: "queued", runAfter: time.Now().Add(time.Hour)})
		a.look()
		// messages=$(curl -su "$AUTH" $FLOWER/api/queues/length | jq '.active_queues[] | select(.name == "video_queue").messages')
		var lengths struct {
			Queues []struct {
				Name     string
				Messages int
			} `json:"active_queues"`
		}
		a.curl("vera", "GET", "/api/queues/length", "").into(http.StatusOK, &lengths)
		require.Equal(t, "video_queue", lengths.Queues[0].Name)
		require.Equal(t, 7, lengths.Queues[0].Messages, "those that are due")
		// curl -su "$AUTH" -X POST $FLOWER/api/worker/pool/grow/$worker?n=2, twice
		for range 2 {
			r := a.curl("oscar", "POST", "/api/worker/pool/grow/w1?n=2", "").into(http.StatusOK, nil)
			require.JSONEq(t, `{"message":"Growing 'w1' worker's pool by 2"}`, r.body)
		}
		got := make(chan int, 1)
		require.NoError(t, worker.Obey(func(slots int, _ []string) { got <- slots })(t.Context()))
		require.Equal(t, 7, <-got, "3 and twice 2")
		a.curl("oscar", "POST", "/api/worker/pool/shrink/w1", "n=6").into(http.StatusOK, nil)
		require.Equal(t, http.StatusBadRequest, a.curl("oscar", "POST", "/api/worker/pool/shrink/w1", "").status, "none left")
		a.curl("oscar", "POST", "/api/worker/pool/autoscale/w1", "min=2&max=9").into(http.StatusOK, nil)
		require.NoError(t, worker.Obey(func(slots int, _ []string) { got <- slots })(t.Context()))
		require.Equal(t, 9, <-got)
	})
}

func TestFlower_AnUptimeCheckSeesSilentWorkersAndForgetsThoseThatLeft(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		a.worker("well", 0, 1)
		a.worker("late", 2*testHeartbeat, 1)
		a.worker("dead", 11*testHeartbeat, 1)
		a.worker("long-dead", time.Hour, 1)
		a.worker("left", 0, 1)
		a.exec("UPDATE workers SET state = 'exited', ended_at = ? WHERE id = 'left'", database.At(time.Now()))
		a.look()
		// curl -sfu "$AUTH" $FLOWER/api/workers?status=1 | jq -e 'all'
		var status map[string]bool
		a.curl("vera", "GET", "/api/workers?status=1", "").into(http.StatusOK, &status)
		require.Equal(t, map[string]bool{"well": true, "late": false, "dead": false}, status)
		a.curl("vera", "GET", "/api/workers?status=true&workername=well", "").into(http.StatusOK, &status)
		var workers map[string]struct {
			Queues     []struct{ Name string }        `json:"active_queues"`
			Registered []string                       `json:"registered"`
			Stats      struct{ Total map[string]int } `json:"stats"`
			Timestamp  float64                        `json:"timestamp"`
		}
		a.curl("vera", "GET", "/api/workers?workername=well", "").into(http.StatusOK, &workers)
		require.Len(t, workers, 1)
		require.Equal(t, []struct{ Name string }{{"video_queue"}, {"other"}}, workers["well"].Queues)
		require.Equal(t, map[string]int{"process": 5}, workers["well"].Stats.Total)
		require.InDelta(t, float64(time.Now().Unix()), workers["well"].Timestamp, 60)
		r := a.curl("vera", "GET", "/api/workers?workername=nobody", "")
		require.Equal(t, "Unknown worker 'nobody'", r.body)
		require.Equal(t, http.StatusNotFound, r.status)
		a.exec("UPDATE workers SET beat_at = ?", database.At(time.Now()))
		a.watching()
		require.Eventually(t, func() bool {
			a.curl("vera", "GET", "/api/workers?status=1&refresh=1", "").into(http.StatusOK, &status)
			return status["late"] && status["dead"]
		}, 10*time.Second, 10*time.Millisecond)
	})
}

func TestFlower_AScraperReadsWorkersTasksAndTheirFailures(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		variety(a.world)
		a.exec("UPDATE jobs SET stage = 'encode' WHERE worker = 'w1'")
		a.worker("w1", 0, 9)
		a.look()
		var rows struct{ Data []map[string]any }
		a.curl("vera", "GET", "/workers?json=1", "").into(http.StatusOK, &rows)
		require.Len(t, rows.Data, 1)
		require.Equal(t, "w1", rows.Data[0]["hostname"])
		require.Equal(t, true, rows.Data[0]["status"])
		require.EqualValues(t, 7, rows.Data[0]["active"])
		require.EqualValues(t, 1, rows.Data[0]["task-failed"])
		for state, n := range map[string]int{"PENDING": 14, "STARTED": 7, "RECEIVED": 14, "RETRY": 7, "SUCCESS": 7, "FAILURE": 14, "REVOKED": 7, "All": 70, "": 70} {
			var tasks map[string]map[string]any
			a.curl("vera", "GET", "/api/tasks?state="+state, "").into(http.StatusOK, &tasks)
			require.Len(t, tasks, n, state)
			for id, task := range tasks {
				require.Equal(t, id, task["uuid"])
				require.Equal(t, id, task["task-id"])
				if state != "" && state != "All" {
					require.Equal(t, state, task["state"])
				}
				for _, key := range flowerTaskKeys {
					require.Contains(t, task, key)
				}
				require.Len(t, task, len(flowerTaskKeys))
			}
		}
		for query, n := range map[string]int{
			"?workername=w1": 28, "?taskname=process&limit=3": 3, "?taskname=tasks.add": 0, "?search=error:truncated": 7, "?limit=5&offset=68": 2, "?offset=700": 0, "?limit=0": 70,
			"?received_start=2099-01-01%2000:00": 0, "?received_end=2099-01-01%2000:00": 70, "?received_start=" + url.QueryEscape(time.Now().Add(-90*time.Second).UTC().Format(time.RFC3339)): 20,
		} {
			var tasks map[string]any
			a.curl("vera", "GET", "/api/tasks"+query, "").into(http.StatusOK, &tasks)
			require.Len(t, tasks, n, query)
		}
		require.JSONEq(t, `{"task-types":["process"]}`, a.curl("vera", "GET", "/api/task/types", "").body)
		require.Equal(t, "OK", a.read("", "/healthcheck").body)
	})
}

// orderOf lists the ids of an object of tasks as they are written.
func orderOf(body string) (ids []string) {
	for _, m := range regexp.MustCompile(`"([0-9a-f-]{36})":\{`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestFlower_TasksComeInTheOrderThatIsAskedFor(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	now := time.Now()
	var ids []string
	for i, state := range []string{"done", "dead", "queued"} {
		ids = append(ids, a.add(seed{state: state, made: now.Add(time.Duration(i-9) * time.Minute)}).String())
	}
	a.exec("UPDATE job_attempts SET started_at = ? WHERE job_id = ?", database.At(now), ids[0])
	for sort, want := range map[string][]string{
		"": {ids[2], ids[1], ids[0]}, "-received": {ids[2], ids[1], ids[0]}, "received": {ids[0], ids[1], ids[2]}, "name": {ids[0], ids[1], ids[2]},
		"state": {ids[1], ids[2], ids[0]}, "-state": {ids[0], ids[2], ids[1]}, "started": {ids[2], ids[1], ids[0]}, "-started": {ids[0], ids[1], ids[2]},
	} {
		require.Equal(t, want, orderOf(a.curl("vera", "GET", "/api/tasks?sort_by="+sort, "").body), sort)
		require.Equal(t, want[1:2], orderOf(a.curl("vera", "GET", "/api/tasks?limit=1&offset=1&sort_by="+sort, "").body), sort)
	}
}

func TestFlower_ARequeueScriptSubmitsFailedVideosAndWaitsForTheirResult(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		failed := a.add(seed{state: "dead", reason: "timeout", worker: "w0"})
		worker := a.laborer(succeed, failed)
		a.look()
		a.watching()
		var info struct{ State, Args, Exception, Worker string }
		a.curl("vera", "GET", "/api/task/info/"+failed.String(), "").into(http.StatusOK, &info)
		require.Equal(t, "FAILURE", info.State)
		require.Equal(t, "timeout", info.Exception)
		require.Equal(t, "w0", info.Worker)
		var args []string
		require.NoError(t, json.Unmarshal([]byte(info.Args), &args))
		require.Equal(t, []string{a.videoOf(failed).String()}, args)
		// curl -su "$AUTH" -X POST -d "{\"args\":$args}" $FLOWER/api/task/async-apply/process
		var sent struct {
			ID    string `json:"task-id"`
			State string
		}
		a.curl("oscar", "POST", "/api/task/async-apply/process", `{"args":`+info.Args+`,"kwargs":{},"queue":null}`).into(http.StatusOK, &sent)
		require.Equal(t, "PENDING", sent.State)
		require.Equal(t, http.StatusConflict, a.curl("oscar", "POST", "/api/task/send-task/process", `{"args":`+info.Args+`}`).status, "it is being done")
		var result struct{ State, Result string }
		a.curl("vera", "GET", "/api/task/result/"+sent.ID, "").into(http.StatusOK, &result)
		require.Equal(t, "PENDING", result.State)
		handled := make(chan struct{})
		go func() {
			defer close(handled)
			worker.Handle(t.Context(), sent.ID)
		}()
		a.curl("vera", "GET", "/api/task/result/"+sent.ID+"?timeout=20", "").into(http.StatusOK, &result)
		<-handled
		require.Equal(t, "SUCCESS", result.State)
		require.Equal(t, "None", result.Result)
		require.Equal(t, "processed", a.text("SELECT status FROM videos"))
		var task map[string]any
		a.curl("vera", "GET", "/api/task/info/"+sent.ID, "").into(http.StatusOK, &task)
		require.Equal(t, "w1", task["worker"])
		for _, key := range []string{"received", "started", "succeeded", "timestamp", "runtime"} {
			require.IsType(t, 0.0, task[key], key)
		}
		require.Nil(t, task["failed"])
	})
}

func TestFlower_RevokeStopsWhatRunsOnlyWithTerminate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAPIWorld(newWorld(t, d))
		waiting, running := a.add(seed{state: "queued"}), a.add(seed{state: "queued"})
		begun := make(chan struct{})
		worker := a.laborer(func(ctx context.Context, _ processing.Job, _ processing.Report) (processing.Output, error) {
			close(begun)
			<-ctx.Done()
			return processing.Output{}, ctx.Err()
		}, running)
		handled := make(chan struct{})
		go func() {
			defer close(handled)
			worker.Handle(t.Context(), running.String())
		}()
		<-begun
		for _, id := range []uuid.UUID{waiting, running} {
			r := a.curl("oscar", "POST", "/api/task/revoke/"+id.String(), "")
			if id == running {
				require.Equal(t, http.StatusConflict, r.status)
				require.Equal(t, "The task runs; use terminate=true.", r.body)
				continue
			}
			r.into(http.StatusOK, nil)
		}
		require.Equal(t, "running", a.state(running))
		r := a.curl("oscar", "POST", "/api/task/revoke/"+running.String()+"?terminate=True&signal=SIGKILL", "").into(http.StatusOK, nil)
		var said struct{ Message string }
		require.NoError(t, json.Unmarshal([]byte(r.body), &said))
		require.Equal(t, "Revoked '"+running.String()+"'", said.Message)
		<-handled
		for _, id := range []uuid.UUID{waiting, running} {
			var task map[string]any
			a.curl("vera", "GET", "/api/task/info/"+id.String(), "").into(http.StatusOK, &task)
			require.Equal(t, "REVOKED", task["state"])
			require.IsType(t, 0.0, task["revoked"])
			require.Equal(t, http.StatusConflict, a.curl("oscar", "POST", "/api/task/revoke/"+id.String(), "").status, "it has ended")
		}
	})
}

func TestFlower_CommandsChangeWhatAWorkerTakes(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	worker := a.laborer(succeed)
	a.report(worker)
	var got []string
	obey := func() []string {
		require.NoError(t, worker.Obey(func(_ int, queues []string) { got = queues })(t.Context()))
		return got
	}
	require.JSONEq(t, `{"message":"no longer consuming from video_queue"}`, a.curl("oscar", "POST", "/api/worker/queue/cancel-consumer/w1?queue=video_queue", "").body)
	require.Empty(t, obey())
	require.JSONEq(t, `{"message":"add consumer video_queue"}`, a.curl("oscar", "POST", "/api/worker/queue/add-consumer/w1", "queue=video_queue").body)
	require.Equal(t, []string{"video_queue"}, obey())
	require.JSONEq(t, `{"message":"Shutting down!"}`, a.curl("oscar", "POST", "/api/worker/shutdown/w1", "").body)
	require.Empty(t, obey())
	var actions []string
	require.NoError(t, a.db.Read(t.Context()).Raw("SELECT action FROM audit_events ORDER BY id").Scan(&actions).Error)
	require.Equal(t, []string{"worker.idle", "worker.consume", "worker.drain"}, actions)
}

func TestFlower_SaysNoInPlainText(t *testing.T) {
	t.Parallel()
	a := newAPIWorld(newWorld(t, dbtest.SQLite(t)))
	id, video := a.add(seed{state: "dead"}), ""
	video = a.videoOf(id).String()
	a.worker("w1", 0, 2)
	a.look()
	gone := uuid.NewString()
	for _, tt := range []struct {
		method, path, data string
		status             int
		text               string
	}{
		{"GET", "/api/tasks?limit=-1", "", 400, "Invalid argument: limit"},
		{"GET", "/api/tasks?limit=many", "", 400, "Invalid argument: limit"},
		{"GET", "/api/tasks?offset=-5", "", 400, "Invalid argument: offset"},
		{"GET", "/api/tasks?limit=1&limit=2", "", 400, "Invalid argument: limit"},
		{"GET", "/api/tasks?sort_by=<script>", "", 400, "Invalid argument: sort_by"},
		{"GET", "/api/tasks?state=SLEEPING", "", 400, "Invalid argument: state"},
		{"GET", "/api/tasks?received_start=yesterday", "", 400, "Invalid argument: received_start"},
		{"GET", "/api/tasks?received_end=1", "", 400, "Invalid argument: received_end"},
		{"GET", "/api/tasks?workername=%00", "", 400, "Invalid argument: workername"},
		{"GET", "/api/workers?status=maybe", "", 400, "Invalid argument: status"},
		{"GET", "/api/task/info/" + gone, "", 404, "Unknown task '" + gone + "'"},
		{"GET", "/api/task/info/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "", 404, "Unknown task '&lt;script&gt;alert(1)&lt;/script&gt;'"},
		{"GET", "/api/task/result/" + id.String() + "?timeout=-1", "", 400, "Invalid argument: timeout"},
		{"GET", "/api/nothing", "", 404, "El recurso solicitado no existe."},
		{"GET", "/api/task/revoke/" + id.String(), "", 405, "El método no está permitido para este recurso."},
		{"POST", "/api/task/revoke/" + gone, "", 404, "Unknown task '" + gone + "'"},
		{"POST", "/api/task/revoke/" + id.String() + "?terminate=perhaps", "", 400, "Invalid argument: terminate"},
		{"POST", "/api/task/async-apply/tasks.add", `{"args":["` + video + `"]}`, 404, "Unknown task 'tasks.add'"},
		{"POST", "/api/task/async-apply/process", `{"args":[1,2]}`, 400, "args must be the id of a video"},
		{"POST", "/api/task/async-apply/process", `{"args":["x"]}`, 400, "args must be the id of a video"},
		{"POST", "/api/task/async-apply/process", `{"args":["` + video + `"],"countdown":60}`, 400, "Not supported here: countdown"},
		{"POST", "/api/task/async-apply/process", `{"args":["` + video + `"],"kwargs":{"fast":true}}`, 400, "Invalid argument: kwargs"},
		{"POST", "/api/task/async-apply/process", `{"args":["` + gone + `"]}`, 409, "El video de la tarea fue eliminado."},
		{"POST", "/api/task/async-apply/process", `nonsense`, 400, "El cuerpo de la solicitud no es un JSON válido."},
		{"POST", "/api/worker/shutdown/nobody", "", 404, "Unknown worker 'nobody'"},
		{"POST", "/api/worker/shutdown/" + strings.Repeat("w", 300), "", 404, "Unknown worker '" + strings.Repeat("w", 64) + "…'"},
		{"POST", "/api/worker/pool/grow/nobody?n=1", "", 404, "Unknown worker 'nobody'"},
		{"POST", "/api/worker/pool/grow/w1?n=0", "", 400, "Invalid argument: n"},
		{"POST", "/api/worker/pool/autoscale/w1?min=3&max=2", "", 400, "Invalid argument: max"},
		{"POST", "/api/worker/queue/add-consumer/w1", "", 400, "Invalid argument: queue"},
		{"POST", "/api/worker/pool/restart/w1", "", 501, "Not supported here: pool restart"},
		{"POST", "/api/task/timeout/process", "soft=1", 501, "Not supported here: timeout"},
		{"POST", "/api/task/rate-limit/process", "ratelimit=1", 501, "Not supported here: rate limit"},
		{"POST", "/api/task/abort/" + id.String(), "", 501, "Not supported here: abort (use revoke with terminate=true)"},
		{"POST", "/api/task/apply/process", "{}", 501, "Not supported here: apply (use async-apply)"},
	} {
		r := a.curl("oscar", tt.method, tt.path, tt.data)
		require.Equal(t, tt.text, r.body, "%s %s", tt.method, tt.path)
		require.Equal(t, tt.status, r.status, "%s %s", tt.method, tt.path)
		require.Equal(t, "text/plain; charset=UTF-8", r.header.Get("Content-Type"))
		require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	}
	require.Equal(t, "0", a.audited())
	var problem struct{ Error string }
	a.curl("vera", "GET", "/api/tasks?search=color:red", "").into(http.StatusBadRequest, &problem)
	require.Contains(t, problem.Error, "color")
	for _, path := range []string{"/api/workers", "/workers?json=1"} {
		r := a.read("", path)
		require.Equal(t, http.StatusUnauthorized, r.status)
		require.Equal(t, "Debes iniciar sesión para realizar esta acción.", r.body)
		require.Contains(t, r.header.Get("WWW-Authenticate"), "Basic ")
	}
	a.exec("DROP TABLE queue_pauses")
	a.look()
	require.Equal(t, http.StatusServiceUnavailable, a.curl("vera", "GET", "/api/queues/length", "").status, "no old numbers for who starts workers by them")
	var status map[string]bool
	a.curl("vera", "GET", "/api/workers?status=1", "").into(http.StatusOK, &status)
	require.Equal(t, map[string]bool{"w1": false}, status, "nobody knows")
}
