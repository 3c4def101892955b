package videos

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"anb/platform/fault"
)

// How uploads end.
const (
	endAccepted = "accepted"
	endRepeated = "repeated" // was there already: answered as the first one
	endRefused  = "refused"  // the player's to mend
	endCut      = "cut"      // the line broke, or was too slow
	endFailed   = "failed"   // ours to mend
)

// measures are what the module tells Prometheus: of no player and no video.
type measures struct {
	open  prometheus.Gauge
	ended *prometheus.CounterVec
	bytes prometheus.Counter
}

func newMeasures(r prometheus.Registerer) (*measures, error) {
	m := &measures{
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "anb_uploads_in_progress", Help: "Uploads that are being received and judged."}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "anb_uploads_total", Help: "Uploads by how they ended: accepted, repeated, refused, cut by the client's line, failed for a cause of ours.",
		}, []string{"outcome"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Name: "anb_upload_bytes_total", Help: "Bytes of files that were received, whatever became of them."}),
	}
	if err := errors.Join(r.Register(m.open), r.Register(m.ended), r.Register(m.bytes)); err != nil {
		return nil, fmt.Errorf("register metrics of uploads: %w", err)
	}
	for _, outcome := range []string{endAccepted, endRepeated, endRefused, endCut, endFailed} {
		m.ended.WithLabelValues(outcome) // what is absent is not known to be none
	}
	return m, nil
}

// uploads counts the requests of the upload's handler.
func (m *measures) uploads(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		m.open.Inc()
		defer m.open.Dec()
		err := next(c)
		m.ended.WithLabelValues(ending(err, c.Response().Header().Get(replayedHeader) != "")).Inc()
		return err
	}
}

func ending(err error, repeated bool) string {
	var (
		f    *fault.Error
		line net.Error
	)
	switch {
	case err == nil && repeated:
		return endRepeated
	case err == nil:
		return endAccepted
	case !errors.As(err, &f):
		return endFailed
	case f.Kind == fault.Timeout, f.Kind == fault.Invalid && (errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &line)):
		return endCut
	case f.Kind == fault.Internal, f.Kind == fault.Unavailable:
		return endFailed
	}
	return endRefused
}
