package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func rules() Rules {
	return Rules{
		StalledAfter: 5 * time.Minute, NoWorkersAfter: time.Minute, DeadLimit: 5, DeadShare: 0.2, DiskFree: 1 << 30,
		Remind: time.Hour, Calm: time.Minute,
	}
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// stalled is a queue of which nothing has started for a minute more each minute.
func stalled(minute int) Queue {
	return Queue{Name: "video", Waiting: 3, Oldest: time.Duration(minute+1) * time.Minute, Running: 1, Consumers: 1, Slots: 2, LastStart: noon()}
}

// minutes evaluates a snapshot each minute and lists what is told and when.
func minutes(t *testing.T, r Rules, n int, at func(minute int) Snapshot) []string {
	t.Helper()
	w, err := NewWatch(r)
	require.NoError(t, err)
	var out []string
	for m := range n {
		for _, a := range w.Evaluate(noon().Add(time.Duration(m)*time.Minute), at(m)) {
			out = append(out, fmt.Sprintf("%d %s %s %s", m, a.Kind, a.Phase, a.Subject))
		}
	}
	return out
}

func TestWatch_TellsNothingWhileAllIsWell(t *testing.T) {
	t.Parallel()
	tests := map[string]func(q *Queue, minute int){
		"empty":                        func(q *Queue, _ int) { q.Waiting = 0 },
		"paused":                       func(q *Queue, _ int) { q.Paused = true },
		"full":                         func(q *Queue, _ int) { q.Running = q.Slots },
		"over full":                    func(q *Queue, _ int) { q.Running = q.Slots + 1 },
		"starting now and then":        func(q *Queue, m int) { q.LastStart = noon().Add(time.Duration(m/5) * 5 * time.Minute) },
		"losing its oldest":            func(q *Queue, m int) { q.Oldest = time.Duration(m%5) * time.Minute },
		"full now and then":            func(q *Queue, m int) { q.Running = 1 + (m+1)%5/4 },
		"without workers, but empty":   func(q *Queue, _ int) { q.Waiting, q.Consumers, q.Slots = 0, 0, 0 },
		"without workers for a moment": func(q *Queue, m int) { q.Waiting, q.Consumers = m%2, 0 },
		"with few that die":            func(q *Queue, _ int) { q.Waiting, q.Dead, q.Ended = 0, 4, 4 },
		"with a small share that dies": func(q *Queue, _ int) { q.Waiting, q.Dead, q.Ended = 0, 19, 100 },
		"with nothing that ended":      func(q *Queue, _ int) { q.Waiting, q.Dead, q.Ended = 0, 0, 0 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, minutes(t, rules(), 90, func(m int) Snapshot {
				q := stalled(m)
				change(&q, m)
				return Snapshot{Queues: []Queue{q}, Disks: []Disk{{Name: "scratch", Free: 1 << 30}}}
			}))
		})
	}
	require.Empty(t, minutes(t, Rules{Remind: time.Hour}, 90, func(m int) Snapshot {
		q := stalled(m)
		q.Dead, q.Ended = 9, 9
		return Snapshot{Queues: []Queue{q, {Name: "audio", Waiting: 1}}, Disks: []Disk{{Name: "scratch"}}}
	}), "rules that are off")
}

func TestWatch_TellsBeginningReminderAndEnd(t *testing.T) {
	t.Parallel()
	queue := func(q Queue) Snapshot { return Snapshot{Queues: []Queue{q}} }
	tests := map[string]struct {
		wrong func(minute int) Snapshot
		want  []string
	}{
		"a stalled queue": {
			func(m int) Snapshot { return queue(stalled(m)) },
			[]string{"6 queue_stalled begun video", "66 queue_stalled lasts video", "101 queue_stalled resolved video"},
		},
		"a queue that never started": {
			func(m int) Snapshot {
				q := stalled(m)
				q.LastStart = time.Time{}
				return queue(q)
			},
			[]string{"6 queue_stalled begun video", "66 queue_stalled lasts video", "101 queue_stalled resolved video"},
		},
		"no workers": {
			func(int) Snapshot { return queue(Queue{Name: "video", Waiting: 1}) },
			[]string{"1 no_workers begun video", "61 no_workers lasts video", "101 no_workers resolved video"},
		},
		"no workers for a paused queue": {
			func(int) Snapshot { return queue(Queue{Name: "video", Waiting: 1, Paused: true}) },
			[]string{"1 no_workers begun video", "61 no_workers lasts video", "101 no_workers resolved video"},
		},
		"many that die": {
			func(int) Snapshot { return queue(Queue{Name: "video", Dead: 5, Ended: 25}) },
			[]string{"0 dead_rate begun video", "60 dead_rate lasts video", "101 dead_rate resolved video"},
		},
		"full disks": {
			func(int) Snapshot {
				return Snapshot{Disks: []Disk{{Name: "storage", Free: 1<<30 - 1}, {Name: "scratch of w1"}, {Name: "b", Free: 1 << 40}}}
			},
			[]string{
				"0 disk_low begun scratch of w1", "0 disk_low begun storage", "60 disk_low lasts scratch of w1", "60 disk_low lasts storage",
				"101 disk_low resolved scratch of w1", "101 disk_low resolved storage",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, minutes(t, rules(), 200, func(m int) Snapshot {
				if m >= 100 {
					return queue(Queue{Name: "video"})
				}
				return tt.wrong(m)
			}))
		})
	}
}

func TestWatch_IsCalmAtALimit(t *testing.T) {
	t.Parallel()
	got := minutes(t, rules(), 60, func(m int) Snapshot {
		return Snapshot{Disks: []Disk{{Name: "scratch", Free: int64(m%2) << 30}}}
	})
	require.Equal(t, []string{"0 disk_low begun scratch"}, got)
}

func TestWatch_KnowsNothingElseWhileItIsBlind(t *testing.T) {
	t.Parallel()
	r := rules()
	r.BlindAfter = 2 * time.Minute
	got := minutes(t, r, 40, func(m int) Snapshot {
		s := Snapshot{Disks: []Disk{{Name: "scratch"}}, Blind: m >= 5 && m < 20 || m == 30}
		if m >= 21 {
			s.Disks = nil
		}
		return s
	})
	require.Equal(t, []string{
		"0 disk_low begun scratch", "7 no_database begun database", "21 no_database resolved database", "22 disk_low resolved scratch",
	}, got)
}

func TestWatch_BeginsAnewAfterTheEnd(t *testing.T) {
	t.Parallel()
	w, err := NewWatch(rules())
	require.NoError(t, err)
	var alerts []Alert
	for m, free := range []int64{7, 1 << 40, 1 << 40, 9} {
		alerts = append(alerts, w.Evaluate(noon().Add(time.Duration(m)*time.Minute), Snapshot{Disks: []Disk{{Name: "a", Free: free}}})...)
	}
	values := func(free float64) map[string]float64 {
		return map[string]float64{"free_bytes": free, "limit_bytes": 1 << 30}
	}
	at := func(minute int) time.Time { return noon().Add(time.Duration(minute) * time.Minute) }
	require.Equal(t, []Alert{
		{Kind: DiskLow, Phase: Begun, Subject: "a", Since: at(0), At: at(0), Values: values(7)},
		{Kind: DiskLow, Phase: Resolved, Subject: "a", Since: at(0), At: at(2), Values: values(7)},
		{Kind: DiskLow, Phase: Begun, Subject: "a", Since: at(3), At: at(3), Values: values(9)},
	}, alerts)
	require.Equal(t, alerts[0].ID(), alerts[1].ID())
	require.NotEqual(t, alerts[0].ID(), alerts[2].ID())
}

func TestWatch_CountsWhatIsWrong(t *testing.T) {
	t.Parallel()
	w, err := NewWatch(Rules{StalledAfter: time.Nanosecond, DeadLimit: 1, Remind: time.Hour})
	require.NoError(t, err)
	q := stalled(0)
	q.Dead, q.Ended = 1, 4
	require.Len(t, w.Evaluate(noon(), Snapshot{Queues: []Queue{q}}), 1)
	require.Empty(t, w.Evaluate(noon(), Snapshot{Queues: []Queue{q}}), "the same moment again")
	q.Oldest += time.Second
	got := w.Evaluate(noon().Add(time.Second), Snapshot{Queues: []Queue{q}})
	require.Len(t, got, 1)
	require.Equal(t, map[string]float64{"waiting": 3, "oldest_seconds": 61, "free_slots": 1}, got[0].Values)
	require.Equal(t, map[string]float64{"dead": 1, "ended": 4, "share": 0.25}, w.open[subject{DeadRate, "video"}].values)
	gone := w.Evaluate(noon().Add(time.Minute), Snapshot{})
	require.Len(t, gone, 2, "a queue that is no more is not wrong any more")
	require.Empty(t, w.open)
	require.Empty(t, w.before)
}

func TestNewWatch_RefusesSenselessRules(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Rules){
		"a negative time":     func(r *Rules) { r.StalledAfter = -1 },
		"a negative number":   func(r *Rules) { r.DeadLimit = -1 },
		"a share in percent":  func(r *Rules) { r.DeadShare = 20 },
		"endless reminding":   func(r *Rules) { r.Remind = 0 },
		"a negative calm":     func(r *Rules) { r.Calm = -1 },
		"a negative disk":     func(r *Rules) { r.DiskFree = -1 },
		"a negative patience": func(r *Rules) { r.NoWorkersAfter = -1 },
		"negative blindness":  func(r *Rules) { r.BlindAfter = -1 },
	} {
		r := rules()
		change(&r)
		_, err := NewWatch(r)
		require.Error(t, err, name)
	}
}
