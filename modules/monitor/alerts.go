package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"anb/modules/monitor/webhook"
	"anb/platform/lifecycle"
)

const (
	// alertPause is between two looks at the snapshot.
	alertPause = 10 * time.Second
	// alertSettle is how long a dashboard looks on before it tells anybody: one
	// that crashes again and again must not tell the same again and again.
	alertSettle = time.Minute
	// aloneAfter is how long jobs wait without any worker, or the database is
	// away, until somebody is told: a restart is no reason.
	aloneAfter = time.Minute
	// remindEvery is how often what lasts is told again, calmAfter how long all
	// has to be well.
	remindEvery = time.Hour
	calmAfter   = time.Minute
)

// AlertConfig says whom to alert, and when.
type AlertConfig struct {
	Webhooks      []string      `mapstructure:"webhooks"`       // addresses; with their secrets a secret
	WebhookSecret string        `mapstructure:"webhook_secret"` // signs what is posted; a secret
	Stalled       time.Duration `mapstructure:"alert_stalled"`  // how long jobs wait beside free slots; 0: never
	Dead          int           `mapstructure:"alert_dead"`     // jobs of a queue that die within 15 minutes; 0: never
	DeadShare     float64       `mapstructure:"alert_dead_share"`
}

// Validate reports every problem at once, and no address.
func (c AlertConfig) Validate() error {
	var errs []error
	if err := c.sender().Validate(); err != nil {
		errs = append(errs, fmt.Errorf("monitor.webhooks and monitor.webhook_secret (ANB_MONITOR_WEBHOOKS, ANB_MONITOR_WEBHOOK_SECRET): %w", err))
	}
	if c.Stalled < 0 {
		errs = append(errs, errors.New("monitor.alert_stalled must not be negative (ANB_MONITOR_ALERT_STALLED)"))
	}
	if c.Dead < 0 {
		errs = append(errs, errors.New("monitor.alert_dead must not be negative (ANB_MONITOR_ALERT_DEAD)"))
	}
	if c.DeadShare < 0 || c.DeadShare > 1 {
		errs = append(errs, errors.New("monitor.alert_dead_share must be from 0 to 1 (ANB_MONITOR_ALERT_DEAD_SHARE)"))
	}
	return errors.Join(errs...)
}

func (c AlertConfig) sender() webhook.Config {
	return webhook.Config{URLs: c.Webhooks, Secret: c.WebhookSecret}
}

// alerts tells others what the snapshots show. It knows nothing of what an
// earlier process has told: what is wrong at the start and stays so is told
// once more, and an end that came in between is not. Each dashboard tells for
// itself: configure webhooks on one.
type alerts struct {
	collector *collector
	watch     *webhook.Watch
	sender    *webhook.Sender
	now       func() time.Time
	log       *slog.Logger

	seq     int64                // of the snapshot that was looked at last
	since   time.Time            // of the first look; zero: none yet
	started map[string]time.Time // by queue, the latest start ever seen
}

// newAlerts wires alerts; after is time.After in production.
func newAlerts(d Deps, c *collector, after func(time.Duration) <-chan time.Time) (*alerts, error) {
	conf := d.Config.AlertConfig
	watch, err := webhook.NewWatch(webhook.Rules{
		StalledAfter: conf.Stalled, NoWorkersAfter: aloneAfter, DeadLimit: conf.Dead, DeadShare: conf.DeadShare,
		DiskFree: d.Config.DiskLow, BlindAfter: aloneAfter, Remind: remindEvery, Calm: calmAfter,
	})
	if err != nil {
		return nil, err
	}
	sender, err := webhook.NewSender(webhook.Deps{Config: conf.sender(), Now: d.Now, After: after, Log: d.Log})
	if err != nil {
		return nil, err
	}
	return &alerts{collector: c, watch: watch, sender: sender, now: d.Now, log: d.Log, started: map[string]time.Time{}}, nil
}

// services are what runs; none when there is nobody to tell.
func (a *alerts) services() []lifecycle.Service {
	if len(a.sender.URLs) == 0 {
		return nil
	}
	return []lifecycle.Service{
		{Name: "webhooks", Run: a.sender.Run},
		{Name: "alerts", Run: lifecycle.Every(a.log, "alerts", alertPause, a.look)},
	}
}

// look tells what the latest snapshot shows, unless it has seen it before.
func (a *alerts) look(ctx context.Context) error {
	s := a.collector.snapshot()
	if s.Seq == a.seq {
		return nil
	}
	a.seq = s.Seq
	now := a.now()
	if a.since.IsZero() {
		a.since = now
	}
	if now.Sub(a.since) < alertSettle {
		return nil
	}
	var errs []error
	for _, one := range a.watch.Evaluate(now, a.view(s)) {
		one.Text = alertText(one)
		a.log.WarnContext(ctx, "alert", slog.String("alert", string(one.Kind)), slog.String("phase", string(one.Phase)), slog.String("subject", one.Subject))
		errs = append(errs, a.sender.Send(ctx, one))
	}
	return errors.Join(errs...)
}

// view is what alerts depend on.
func (a *alerts) view(s *Snapshot) webhook.Snapshot {
	out := webhook.Snapshot{Blind: s.lost()}
	for _, q := range s.Queues {
		a.started[q.Name] = latest(a.started[q.Name], q.LastStart)
		out.Queues = append(out.Queues, webhook.Queue{
			Name: q.Name, Waiting: int(q.Waiting), Oldest: q.Oldest, Running: int(q.Running), Consumers: int(q.Consumers), Slots: int(q.Slots),
			Paused: q.Pause != nil, LastStart: a.started[q.Name], Dead: int(q.Died15), Ended: int(q.Done15 + q.Died15),
		})
	}
	for _, w := range s.Workers {
		if w.Living() && w.ScratchFree >= 0 {
			out.Disks = append(out.Disks, webhook.Disk{Name: w.ID, Free: w.ScratchFree})
		}
	}
	return out
}

// alertText is an alert for people.
func alertText(a webhook.Alert) string {
	v := func(name string) int64 { return int64(a.Values[name]) }
	what := ""
	switch a.Kind {
	case webhook.QueueStalled:
		what = fmt.Sprintf("La cola «%s» está detenida: esperan %d tareas junto a %d puestos libres.", a.Subject, v("waiting"), v("free_slots"))
	case webhook.NoWorkers:
		what = fmt.Sprintf("Ningún trabajador atiende la cola «%s» y esperan %d tareas.", a.Subject, v("waiting"))
	case webhook.DeadRate:
		what = fmt.Sprintf("En la cola «%s» murieron %d de las %d tareas que terminaron en 15 minutos.", a.Subject, v("dead"), v("ended"))
	case webhook.DiskLow:
		what = fmt.Sprintf("Al trabajador %s le quedan %s de disco.", a.Subject, sizeWords(v("free_bytes")))
	case webhook.NoDatabase:
		what = "La base de datos no responde."
	}
	switch a.Phase {
	case webhook.Resolved:
		return "Resuelto: " + what
	case webhook.Lasts:
		return fmt.Sprintf("Continúa desde hace %s: %s", shortDuration(a.At.Sub(a.Since)), what)
	}
	return what
}
