package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
)

// listen opens a stream of events as vera and returns its lines.
func (w *world) listen(topics string, header ...string) *bufio.Scanner {
	w.t.Helper()
	server := httptest.NewServer(w.e)
	w.t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(w.t.Context())
	w.t.Cleanup(cancel) // before the server waits for its handlers
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events?topics="+topics, nil)
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+madeTokens()["vera"][0])
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(w.t, 200, answer.StatusCode)
	require.Equal(w.t, "text/event-stream", answer.Header.Get("Content-Type"))
	require.Equal(w.t, "no", answer.Header.Get("X-Accel-Buffering"))
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return lines
}

// until reads events up to the next tick and returns the fragments by id.
func until(t *testing.T, lines *bufio.Scanner) map[string]string {
	t.Helper()
	out, event := map[string]string{}, ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "fragment":
			var f fragment
			require.NoError(t, json.Unmarshal([]byte(value), &f))
			out[f.ID] = f.HTML
		case name == "data" && event == "tick":
			return out
		}
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "the stream ended")
	return nil
}

func TestEvents_SendAllFragmentsAtFirstAndThenWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	id := w.add(seed{state: "running", worker: "w1", progress: 10, title: "<script>alert(1)</script>"})
	other := w.add(seed{state: "running", worker: "w1", progress: 10})
	_, stop := w.m.collector.watch([]string{id.String()}, []string{id.String(), other.String()})
	defer stop()
	w.look()
	lines := w.listen("strip+overview+job="+id.String()+"+rows="+id.String()+","+other.String(), "Last-Event-ID", "7")
	first := until(t, lines)
	for _, part := range []string{"live-strip", "live-overview", "live-job", "live-log", "live-attempts", "live-row-" + id.String(), "live-row-" + other.String()} {
		require.Contains(t, first, part)
		require.NotContains(t, first[part], "<script>")
	}
	require.Contains(t, first["live-log"], "&lt;b&gt;moov atom not found")
	w.exec("UPDATE jobs SET progress = 55, progressed_at = created_at WHERE id = ?", id)
	w.exec("UPDATE job_attempts SET stderr_tail = stderr_tail || 'frame=2' WHERE job_id = ?", id)
	w.look()
	next := until(t, lines)
	require.Contains(t, next["live-job"], "55 %")
	require.Contains(t, next["live-log"], "frame=2")
	require.Contains(t, next["live-row-"+id.String()], "55 %")
	require.NotContains(t, next, "live-attempts", "which did not change")
}

func TestEvents_RefuseTopicsThatNobodyHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	for _, topics := range []string{"secrets", "job=x", "job=<script>", "rows=1,2", "strip=1", "op=", "rows=" + strings.Repeat(uuid.NewString()+",", 101)} {
		require.Equal(t, 400, w.get("vera", "/events?topics="+strings.ReplaceAll(topics, "<", "%3C"), "Accept", "text/event-stream").Code, topics)
	}
	require.Equal(t, 401, w.get("", "/events?topics=strip", "Accept", "text/event-stream").Code)
}

func TestEvents_WhoIsSlowGetsTheLatestAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	slow, stop := w.m.collector.watch(nil, nil)
	defer stop()
	for range 100 {
		w.look()
	}
	<-slow.notify
	select {
	case <-slow.notify:
		require.Fail(t, "more than one snapshot was kept for who is slow")
	default:
	}
	require.Equal(t, int64(100), w.m.collector.snapshot().Seq)
}

// heap is what is in use after everything else was collected.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sink is a client that takes everything and keeps nothing.
type sink struct{ http.ResponseWriter }

func (sink) Header() http.Header         { return http.Header{} }
func (sink) Write(p []byte) (int, error) { return len(p), nil }
func (sink) WriteHeader(int)             {}
func (sink) Flush()                      {}

func TestEvents_TenTimesAsManyLeaveNoMoreBehind(t *testing.T) { // not parallel: it measures the heap
	w := newWorld(t, dbtest.SQLite(t))
	w.add(seed{state: "running", worker: "w1"})
	base := w.look()
	c := w.e.NewContext(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), sink{})
	s := &stream{w: c.Response(), extend: func() {}, last: map[string]string{}}
	v := w.m.view(c, "", "", "")
	wanted, err := parseTopics("strip")
	require.NoError(t, err)
	send := func(n int) {
		for range n {
			next := *base
			next.Seq = w.m.collector.snapshot().Seq + 1
			next.At = base.At.Add(time.Duration(next.Seq) * time.Second)
			w.m.collector.latest.Store(&next)
			w.m.collector.tell()
			require.NoError(t, w.m.send(s, wanted, v))
		}
	}
	send(10_000)
	few := heap()
	send(90_000)
	many := heap()
	t.Logf("after 10,000 events %d KiB, after 100,000 %d KiB", few>>10, many>>10)
	require.LessOrEqual(t, float64(many), 1.1*float64(few))
}
