package monitor

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// flowerShown reports whether Flower would still list a worker, and whether it
// would call it online. One that said goodbye is not missed; one that is silent
// is, for as long as the pages warn of it.
func flowerShown(w Worker, now time.Time) (shown, online bool) {
	switch w.State {
	case Online, Draining:
		return true, true
	case Late:
		return true, false
	case Crashed:
		return now.Sub(w.BeatAt) < crashNews, false
	}
	return false, false
}

type flowerQueue struct {
	Name       string `json:"name"`
	RoutingKey string `json:"routing_key"`
}

type flowerPool struct {
	MaxConcurrency int     `json:"max-concurrency"`
	Processes      []int64 `json:"processes"`
}

type flowerStats struct {
	PID           int64            `json:"pid"`
	Clock         int64            `json:"clock"`          // no counterpart: 0
	PrefetchCount int              `json:"prefetch_count"` // a worker takes what it starts: 0
	Uptime        int64            `json:"uptime"`
	Pool          flowerPool       `json:"pool"`
	Usage         map[string]int64 `json:"rusage"` // maxrss, in KiB
	Total         map[string]int64 `json:"total"`
	Broker        struct{}         `json:"broker"`
}

// flowerRunning is a job that a worker holds.
type flowerRunning struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Args      string   `json:"args"`
	Kwargs    string   `json:"kwargs"`
	TimeStart *float64 `json:"time_start"`
	WorkerPID int64    `json:"worker_pid"`
}

type flowerWorkerInfo struct {
	ActiveQueues []flowerQueue   `json:"active_queues"`
	Conf         map[string]any  `json:"conf"`
	Registered   []string        `json:"registered"`
	Stats        flowerStats     `json:"stats"`
	Active       []flowerRunning `json:"active"`
	Reserved     []string        `json:"reserved"`
	Scheduled    []string        `json:"scheduled"`
	Revoked      []string        `json:"revoked"`
	Timestamp    *float64        `json:"timestamp"`
}

func workerInfo(w Worker, now time.Time) flowerWorkerInfo {
	a := flowerWorkerInfo{
		ActiveQueues: []flowerQueue{}, Conf: map[string]any{"worker_concurrency": w.Slots, "worker_prefetch_multiplier": 0},
		Registered: []string{kind}, Timestamp: unixTime(w.BeatAt),
		Stats: flowerStats{
			PID: w.PID, Uptime: int64(now.Sub(w.StartedAt).Seconds()), Pool: flowerPool{w.Slots, []int64{w.PID}},
			Usage: map[string]int64{"maxrss": w.RSS / 1024}, Total: map[string]int64{kind: w.Done + w.Failed},
		},
		Active: list(w.Jobs, func(j Job) flowerRunning {
			t := taskInfo(j, now)
			return flowerRunning{j.ID.String(), t.Name, t.Args, t.Kwargs, t.Started, w.PID}
		}),
	}
	for _, q := range w.Queues {
		if w.Takes(q) {
			a.ActiveQueues = append(a.ActiveQueues, flowerQueue{q, q})
		}
	}
	return a
}

// flowerWorkers handles GET /api/workers.
func (m *Module) flowerWorkers(c echo.Context) error {
	name, err := argument(c, "workername")
	if err != nil {
		return err
	}
	status, err := flag(c, "status")
	if err != nil {
		return err
	}
	refresh, err := flag(c, "refresh")
	if err != nil {
		return err
	}
	m.freshen(c.Request().Context(), refresh)
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	online, infos := map[string]bool{}, map[string]flowerWorkerInfo{}
	for _, w := range s.Workers {
		shown, on := flowerShown(w, s.At)
		if !shown || name != "" && w.ID != name {
			continue
		}
		online[w.ID] = on && !s.lost()
		if w.Living() {
			infos[w.ID] = workerInfo(w, s.At)
		}
	}
	switch {
	case name != "" && len(online) == 0:
		return unknownWorker(name)
	case status:
		return c.JSON(http.StatusOK, online)
	}
	return c.JSON(http.StatusOK, infos)
}

type flowerLength struct {
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
}

type flowerLengthsAnswer struct {
	Queues []flowerLength `json:"active_queues"`
}

// flowerLengths handles GET /api/queues/length: the jobs that are due, which is
// what scales workers; messages on the bus only wake workers up.
func (m *Module) flowerLengths(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	if s.lost() { // better no number than an old one: workers are started by it
		return refuse(http.StatusServiceUnavailable, "The database does not answer.")
	}
	return c.JSON(http.StatusOK, flowerLengthsAnswer{list(s.Queues, func(q Queue) flowerLength { return flowerLength{q.Name, q.Waiting} })})
}

// flowerRow is a worker as the table of Flower's page asked for it.
type flowerRow struct {
	Hostname  string     `json:"hostname"`
	Status    bool       `json:"status"`
	Active    int        `json:"active"`
	Received  int64      `json:"task-received"`
	Failed    int64      `json:"task-failed"`
	Succeeded int64      `json:"task-succeeded"`
	Retried   *int64     `json:"task-retried"` // nobody counts them by worker
	LoadAvg   []float64  `json:"loadavg"`      // the cores that it uses
	PID       int64      `json:"pid"`
	Beats     []*float64 `json:"heartbeats"`
	Software  string     `json:"sw_ident"`
	Version   string     `json:"sw_ver"`
}

type flowerRows struct {
	Data []flowerRow `json:"data"`
}

// flowerWorkersPage handles GET /workers?json=1, which scrapers know.
func (m *Module) flowerWorkersPage(c echo.Context) error {
	s, err := m.seen(c)
	if err != nil {
		return err
	}
	out := flowerRows{Data: []flowerRow{}}
	for _, w := range s.Workers {
		shown, on := flowerShown(w, s.At)
		if !shown {
			continue
		}
		out.Data = append(out.Data, flowerRow{
			Hostname: w.ID, Status: on && !s.lost(), Active: w.Busy(), Received: w.Done + w.Failed + int64(w.Busy()), Failed: w.Failed, Succeeded: w.Done,
			LoadAvg: []float64{w.CPU}, PID: w.PID, Beats: []*float64{unixTime(w.BeatAt)}, Software: "anb", Version: w.Version,
		})
	}
	return c.JSON(http.StatusOK, out)
}
