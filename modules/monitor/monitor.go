// Package monitor is the dashboard of operators: what the platform does, what
// is broken, and the means to mend it. It reads the tables of others and owns
// the audit, bulk operations and its sessions; what it orders is obeyed in
// processing. Pages are rendered here and work without scripts; one collector
// looks at the database for all who watch, and a stream of events keeps their
// pages current.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"anb/modules/monitor/access"
	"anb/platform/database"
	"anb/platform/lifecycle"
)

// Config says how the dashboard is served and whom it alarms.
type Config struct {
	access.Config `mapstructure:",squash"`
	Label         string `mapstructure:"label"`          // such as PROD, in the header of all pages
	APIURL        string `mapstructure:"api_url"`        // where browsers find videos and posters; empty: http.public_url
	FlowerMetrics bool   `mapstructure:"flower_metrics"` // the flower_* metrics too
	DiskLow       int64  `mapstructure:"disk_low"`       // bytes free below which a disk counts as nearly full
	AlertConfig   `mapstructure:",squash"`
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	err := errors.Join(c.Config.Validate(), c.AlertConfig.Validate())
	if c.APIURL != "" {
		if u, e := url.Parse(c.APIURL); e != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			err = errors.Join(err, fmt.Errorf("monitor.api_url %q is not http(s)://host (ANB_MONITOR_API_URL)", c.APIURL))
		}
	}
	if len(c.Label) > 20 {
		err = errors.Join(err, errors.New("monitor.label has more than 20 bytes (ANB_MONITOR_LABEL)"))
	}
	if c.DiskLow < 0 {
		err = errors.Join(err, errors.New("monitor.disk_low must not be negative (ANB_MONITOR_DISK_LOW)"))
	}
	return err
}

// Deps are what the dashboard needs; all are required.
type Deps struct {
	DB        *database.DB
	Bus       Bus
	Control   Control
	Links     Links
	Guard     *access.Guard
	Explain   func(code string) string // a failure's code as a sentence for its player
	Registry  prometheus.Registerer
	Queues    []string      // that exist although they never had a job
	Heartbeat time.Duration // between two reports of a worker
	Version   string
	Now       func() time.Time
	Log       *slog.Logger
	Config    Config
}

// Module is the dashboard. It is safe for concurrent use.
type Module struct {
	deps      Deps
	store     store
	collector *collector
	alerts    *alerts
	pages     *pages
	fragments fragments
}

// New wires the module; it fails when a dependency is missing.
func New(d Deps) (*Module, error) {
	if d.DB == nil || d.Bus == nil || d.Control == nil || d.Links == nil || d.Guard == nil || d.Explain == nil || d.Registry == nil ||
		d.Heartbeat <= 0 || d.Now == nil || d.Log == nil {
		return nil, errors.New("monitor: a dependency is missing")
	}
	m := &Module{deps: d}
	exporter := newExporter(m)
	m.collector = newCollector(d, exporter.query)
	m.store = m.collector.store
	if exporter.flower != nil {
		m.collector.ran = exporter.flower.see
	}
	var err error
	if m.alerts, err = newAlerts(d, m.collector, time.After); err != nil {
		return nil, err
	}
	if m.pages, err = newPages(m); err != nil {
		return nil, err
	}
	return m, d.Registry.Register(exporter)
}

// Services returns what must run beside the server: the collector, bulk
// operations, the end of old sessions and, if there is anybody to tell, alerts.
func (m *Module) Services() []lifecycle.Service {
	every := func(name string, d time.Duration, f func(context.Context) error) lifecycle.Service {
		return lifecycle.Service{Name: name, Run: lifecycle.Every(m.deps.Log, name, d, f)}
	}
	return append([]lifecycle.Service{
		{Name: "collector", Run: m.collector.Run},
		every("bulk", bulkPause, m.carryOn),
		every("monitor sessions", 10*time.Minute, m.deps.Guard.Sweep),
	}, m.alerts.services()...)
}
