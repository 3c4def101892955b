package monitor

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"anb/modules/monitor/access"
	"anb/platform/fault"
	"anb/platform/httpserver"
	"anb/platform/lifecycle"
)

const (
	// eventPatience is how long a client may take to receive something.
	eventPatience = 10 * time.Second
	// eventHeartbeat is the longest silence on a stream.
	eventHeartbeat = 15 * time.Second
	// eventLife is how long a stream lasts: browsers come back, and their
	// sign-in is looked at again.
	eventLife = 15 * time.Minute
	// maxClients is how many streams there are at most.
	maxClients = 1000
)

var errTooManyWatchers = fault.New(fault.TooMany, "TOO_MANY_WATCHERS", "Hay demasiadas páginas abiertas. Cierra alguna e intenta de nuevo.").After(30 * time.Second)

// events handles GET /events: the fragments of a page, all at first and then
// those that change. The events' ids are those of snapshots; whoever comes back
// gets all fragments again.
func (m *Module) events(c echo.Context) error {
	t, err := parseTopics(c.QueryParam("topics"))
	if err != nil {
		return err
	}
	var jobs []string
	if t.job != "" {
		jobs = []string{t.job}
	}
	v := m.view(c, "", "", "")
	return m.follow(c, jobs, t.rows, func(s *stream) error { return m.send(s, t, v) })
}

// follow keeps a stream of events to a client that wants to be told of some
// jobs' details and rows; send is called for each snapshot.
func (m *Module) follow(c echo.Context, jobs, rows []string, send func(*stream) error) error {
	if m.collector.clients() >= maxClients {
		return errTooManyWatchers
	}
	_, extend := httpserver.Rolling(c, httpserver.Pace{Write: eventPatience})
	w := c.Response()
	w.Header().Set(echo.HeaderContentType, "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx: pass each event on
	w.WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	watcher, stop := m.collector.watch(jobs, rows)
	defer stop()
	s := &stream{w: w, extend: extend, last: map[string]string{}}
	who, _ := access.From(c.Request().Context())
	life := time.NewTimer(eventLife)
	defer life.Stop()
	beat := time.NewTicker(eventHeartbeat)
	defer beat.Stop()
	for {
		if err := send(s); err != nil {
			return nil // the client has gone, or is too slow
		}
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-lifecycle.Stopping(c.Request().Context()):
			return nil
		case <-life.C:
			return nil
		case <-beat.C:
			if m.deps.Guard.Alive(c.Request().Context(), who) != nil {
				return nil
			}
			if err := s.write(": \n\n"); err != nil {
				return nil
			}
		case <-watcher.notify:
		}
	}
}

// stream writes events to a client.
type stream struct {
	w      *echo.Response
	extend func()
	last   map[string]string // by fragment
	seq    int64
}

func (s *stream) write(text string) error {
	s.extend()
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

// tick is the data of the event that follows the fragments of a snapshot.
type tick struct {
	At    time.Time `json:"at"`
	Lost  bool      `json:"lost"` // the database is away
	Title int64     `json:"dead"`
}

// send writes the fragments that differ from what the client has.
func (m *Module) send(s *stream, t topics, v view) error {
	snap := m.collector.snapshot()
	if snap.Seq == s.seq {
		return nil
	}
	s.seq = snap.Seq
	all, err := m.render(t, v, snap)
	if err != nil {
		return err
	}
	text := ""
	for _, f := range all {
		if s.last[f.ID] == f.HTML {
			continue
		}
		s.last[f.ID] = f.HTML
		data, err := json.Marshal(f)
		if err != nil {
			return err
		}
		text += fmt.Sprintf("event: fragment\ndata: %s\n\n", data)
	}
	data, err := json.Marshal(tick{At: snap.At, Lost: snap.Lost(), Title: snap.Headline().Dead})
	if err != nil {
		return err
	}
	return s.write(text + fmt.Sprintf("id: %d\nevent: tick\ndata: %s\n\n", snap.Seq, data))
}
