package monitor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"anb/db/dbtest"
	"anb/modules/monitor/access"
	"anb/platform/database"
)

const alertSecret = "0123456789abcdef0123456789abcdef"

// posted is an alert as it was received.
type posted struct {
	Kind, Phase, Subject, Text string
	ID                         string
	Values                     map[string]float64
}

// alarm is a dashboard with a receiver of its alerts and a clock that tests move.
type alarm struct {
	*world
	*alerts
	clock  atomic.Int64 // ns since 1970
	got    chan posted
	faults atomic.Int32 // answers with 500 yet to be given
	told   atomic.Int32
}

// Handle counts what is told, however long it takes to arrive.
func (a *alarm) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "alert" {
		a.told.Add(1)
	}
	return nil
}

// Enabled, WithAttrs and WithGroup make it a slog.Handler.
func (a *alarm) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarm) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *alarm) WithGroup(string) slog.Handler            { return a }

func newAlarm(w *world) *alarm {
	w.t.Helper()
	a := &alarm{world: w, got: make(chan posted, 100)}
	a.clock.Store(time.Now().UnixNano())
	receiver := httptest.NewServer(http.HandlerFunc(a.receive))
	w.t.Cleanup(receiver.Close)
	d := w.m.deps
	d.Log = slog.New(a)
	d.Now = func() time.Time { return time.Unix(0, a.clock.Load()) }
	d.Config.AlertConfig = AlertConfig{Webhooks: []string{receiver.URL + "/hook"}, WebhookSecret: alertSecret, Stalled: 5 * time.Minute, Dead: 3, DeadShare: 0.5}
	require.NoError(w.t, d.Config.AlertConfig.Validate())
	var err error
	a.alerts, err = newAlerts(d, w.m.collector, func(time.Duration) <-chan time.Time {
		over := make(chan time.Time)
		close(over)
		return over
	})
	require.NoError(w.t, err)
	services := a.services()
	require.Len(w.t, services, 2)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- services[0].Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		require.NoError(w.t, <-ended)
	})
	return a
}

// receive verifies the signature as the documentation tells receivers to.
func (a *alarm) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	at, sum, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Anb-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(alertSecret))
	mac.Write([]byte(at + "." + string(body)))
	want := hex.EncodeToString(mac.Sum(nil))
	if err != nil || !ok || !hmac.Equal([]byte(want), []byte(sum)) {
		a.got <- posted{Kind: "not signed"}
		return
	}
	if a.faults.Add(-1) >= 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var p posted
	if err := json.Unmarshal(body, &p); err != nil {
		p.Kind = err.Error()
	}
	a.got <- p
}

// pass lets minutes pass, with a look after each.
func (a *alarm) pass(minutes int) {
	a.t.Helper()
	for range minutes {
		a.clock.Add(int64(time.Minute))
		a.m.collector.slow.at = time.Time{}
		a.world.look()
		require.NoError(a.t, a.alerts.look(a.t.Context()))
	}
}

// next is the next alert that arrives.
func (a *alarm) next() posted {
	a.t.Helper()
	select {
	case p := <-a.got:
		return p
	case <-time.After(20 * time.Second):
		require.FailNow(a.t, "no alert arrived")
		return posted{}
	}
}

// tells requires one alert, and its end when all is well again; nothing else.
func (a *alarm) tells(kind, subject, text string, patience int, mend func()) posted {
	a.t.Helper()
	a.pass(patience)
	p := a.next()
	require.Equal(a.t, []string{kind, "begun", subject, text}, []string{p.Kind, p.Phase, p.Subject, p.Text})
	a.pass(5)
	told := a.told.Load()
	mend()
	a.pass(4)
	end := a.next()
	require.Equal(a.t, []string{kind, "resolved", p.ID, "Resuelto: " + text}, []string{end.Kind, end.Phase, end.ID, end.Text})
	a.pass(4)
	require.Equal(a.t, told+1, a.told.Load(), "begun and resolved, once each")
	return p
}

func TestAlerts_TellOfEachTroubleOnceAndOfItsEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]func(a *alarm){
		"a stalled queue": func(a *alarm) {
			a.worker("w1", 0, 2)
			id := a.add(seed{state: "queued", made: time.Now().Add(-10 * time.Minute)})
			a.tells("queue_stalled", testQueue, "La cola «video_queue» está detenida: esperan 1 tareas junto a 2 puestos libres.", 8, func() {
				a.exec("UPDATE jobs SET state = 'cancelled', finished_at = ? WHERE id = ?", database.At(time.Now()), id)
			})
		},
		"no workers": func(a *alarm) {
			a.add(seed{state: "queued"})
			a.tells("no_workers", testQueue, "Ningún trabajador atiende la cola «video_queue» y esperan 1 tareas.", 3, func() {
				a.worker("w1", 0, 2)
				a.exec("UPDATE jobs SET run_after = ?", database.At(time.Now().Add(time.Hour)))
			})
		},
		"many that die": func(a *alarm) {
			for range 3 {
				a.add(seed{state: "dead", attempt: 2})
			}
			now := database.At(time.Now())
			a.exec(`INSERT INTO job_attempts (job_id, fence, attempt, worker, started_at, finished_at, outcome)
				SELECT id, 1, 1, 'w1', ?, ?, 'failed' FROM jobs`, now, now) // died but once each
			a.add(seed{state: "done"})
			a.add(seed{state: "retrying", runAfter: time.Now().Add(time.Hour)}) // failed, and did not die
			a.exec("UPDATE job_attempts SET finished_at = ? WHERE finished_at IS NULL", now)
			p := a.tells("dead_rate", testQueue, "En la cola «video_queue» murieron 3 de las 4 tareas que terminaron en 15 minutos.", 2, func() {
				a.exec("UPDATE job_attempts SET started_at = ?, finished_at = ?", database.At(time.Now().Add(-time.Hour)), database.At(time.Now().Add(-time.Hour)))
			})
			require.Equal(a.t, map[string]float64{"dead": 3, "ended": 4, "share": 0.75}, p.Values)
		},
		"a full disk": func(a *alarm) {
			a.worker("w1", 0, 2)
			a.exec("UPDATE workers SET scratch_free = 1024")
			a.tells("disk_low", "w1", "Al trabajador w1 le quedan 1.0 KiB de disco.", 2, func() { a.exec("UPDATE workers SET scratch_free = 1099511627776") })
		},
		"no database": func(a *alarm) {
			a.add(seed{state: "queued"})
			a.pass(4)
			require.Equal(a.t, "no_workers", a.next().Kind)
			a.exec("ALTER TABLE queue_pauses RENAME TO gone")
			a.tells("no_database", "database", "La base de datos no responde.", 2, func() { a.exec("ALTER TABLE gone RENAME TO queue_pauses") })
			a.exec("DELETE FROM jobs")
			a.pass(3)
			require.Equal(a.t, "resolved", a.next().Phase, "what was wrong before stayed so meanwhile")
		},
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *database.DB) { trouble(newAlarm(newWorld(t, d))) })
		})
	}
}

func TestAlerts_AreNotToldWhileAllIsWell(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *database.DB) {
		a := newAlarm(newWorld(t, d))
		a.worker("w1", 0, 1)
		a.add(seed{state: "running", worker: "w1"})
		a.add(seed{state: "queued", made: time.Now().Add(-time.Hour)}) // waits for the slot
		a.add(seed{state: "dead"})
		a.add(seed{state: "done"})
		a.add(seed{state: "queued", queue: "other", runAfter: time.Now().Add(time.Hour)})
		a.pass(30)
		require.Zero(t, a.told.Load())
	})
}

func TestAlerts_ComeThroughAlthoughTheReceiverFailsAtFirst(t *testing.T) {
	t.Parallel()
	a := newAlarm(newWorld(t, dbtest.SQLite(t)))
	a.faults.Store(3)
	a.add(seed{state: "queued"})
	a.pass(3)
	require.Equal(t, "no_workers", a.next().Kind)
	require.Equal(t, int32(-1), a.faults.Load(), "three refusals and then it was taken")
}

func TestAlerts_OfADashboardThatRestartsAreRepeatedOnceAndNotWhileItCrashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	w.worker("w1", 0, 1)
	w.exec("UPDATE workers SET scratch_free = 1")
	for range 5 {
		a := newAlarm(w)
		a.pass(1)
		require.Zero(t, a.told.Load(), "it has just begun")
	}
	for range 2 {
		a := newAlarm(w)
		a.pass(10)
		require.Equal(t, "begun", a.next().Phase)
		require.EqualValues(t, 1, a.told.Load())
	}
}

func TestConfig_SaysWhatIsWrongWithAlertsAndNoAddress(t *testing.T) {
	t.Parallel()
	c := Config{Config: access.Config{Addr: "127.0.0.1:5555", SessionTTL: time.Hour}}
	require.NoError(t, c.Validate(), "nobody to tell")
	c.AlertConfig = AlertConfig{Webhooks: []string{"ftp://user:hunter2@host"}, WebhookSecret: "short", Stalled: -1, Dead: -1, DeadShare: 2}
	err := c.Validate()
	for _, name := range []string{"ANB_MONITOR_WEBHOOKS", "ANB_MONITOR_WEBHOOK_SECRET", "ANB_MONITOR_ALERT_STALLED", "ANB_MONITOR_ALERT_DEAD ", "ANB_MONITOR_ALERT_DEAD_SHARE"} {
		require.ErrorContains(t, err, strings.TrimSpace(name))
	}
	require.NotContains(t, err.Error(), "hunter2")
}
