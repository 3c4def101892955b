package monitor

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
)

// apiEvents handles GET /api/v1/events: the overview, again whenever there is a
// newer one. The events' ids are those of snapshots.
func (m *Module) apiEvents(c echo.Context) error {
	return m.follow(c, nil, nil, func(s *stream) error {
		snap := m.collector.snapshot()
		if snap.Seq == s.seq || snap.At.IsZero() {
			return nil
		}
		s.seq = snap.Seq
		data, err := json.Marshal(overviewAnswer(snap))
		if err != nil {
			return err
		}
		return s.write(fmt.Sprintf("id: %d\nevent: snapshot\ndata: %s\n\n", snap.Seq, data))
	})
}
