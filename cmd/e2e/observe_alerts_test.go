//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// One fleet and one Prometheus for all: what alerts say depends on what went on
// before.
func TestObserve_TheRolesTellWhatDashboardsAskAndAlertsFireOnRealFaults(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	for job := range commands {
		o.start(job)
	}
	o.watched()
	o.loop()
	o.tellsAll()
	o.prometheus()
	o.answersAll()

	o.rests() // before its first scrapes, which come after five seconds, Prometheus sees nobody
	// 20 evaluations are ten seconds, and all waits are two.
	for begun := o.evaluations(); o.evaluations() < begun+20; {
		require.Empty(t, o.firing(), "at rest")
	}

	o.roles["worker"].kill()
	bea, video := o.upload("Bea")
	o.fires("AnbNoWorker", "AnbReplicaDown", "AnbQueueAbandoned")
	require.Zero(t, o.health("worker"))
	o.start("worker")
	bea.processed(video, patience)
	o.rests()

	o.redis.Stop()
	o.fires("AnbRedisDown")
	require.NotContains(t, o.firing(), "AnbDatabaseDown")
	for job := range commands {
		require.Equal(t, http.StatusOK, o.health(job), "%s: a restart would not help", job)
	}
	o.redis.Restart()
	o.rests()

	require.NoError(t, o.pg.Kill())
	o.fires("AnbDatabaseDown")
	for job := range commands {
		require.Equal(t, http.StatusOK, o.health(job), "%s: a restart would not help", job)
	}
	o.pg.Launch()
	o.rests()

	o.roles["api"].kill()
	o.fires("AnbApiDown")
	o.start("api")
	o.rests()
}

// tellsAll requires that every metric and label that a rule or a panel names is
// in what the roles tell.
func (o *observed) tellsAll() {
	o.t.Helper()
	var missing []string
	require.Eventually(o.t, func() bool {
		scraped := o.scraped()
		// What Prometheus makes itself.
		scraped["up"] = map[string]bool{"job": true, "instance": true}
		scraped["ALERTS"] = map[string]bool{"alertname": true, "alertstate": true}
		missing = nil
		for _, e := range expressions(o.t) {
			for metric, labels := range named(e.text) {
				if scraped[metric] == nil {
					missing = append(missing, e.where+": "+metric)
				}
				for _, l := range labels {
					if !scraped[metric][l] {
						missing = append(missing, e.where+": "+metric+" has no label "+l)
					}
				}
			}
		}
		return len(missing) == 0
	}, 30*time.Second, time.Second, "%v", &missing) // the dashboard counts some things each ten seconds
}

var (
	promStrings   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	promRanges    = regexp.MustCompile(`\[[^\]]*\]`)
	promGroupings = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) \(([^)]*)\)`)
	promSelectors = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?(?:\{([^}]*)\})?`)
	promWords     = regexp.MustCompile(`[a-zA-Z_]\w*`)
	promOperators = []string{"and", "or", "unless", "bool", "offset"}
)

// named lists the metrics of an expression, each with the labels by which it is
// selected.
func named(expr string) map[string][]string {
	expr = promRanges.ReplaceAllString(promStrings.ReplaceAllString(expr, ""), "")
	expr = promGroupings.ReplaceAllString(expr, "")
	out := map[string][]string{}
	for _, m := range promSelectors.FindAllStringSubmatch(expr, -1) {
		if function := m[2] != ""; !function && !slices.Contains(promOperators, m[1]) {
			out[m[1]] = append(out[m[1]], promWords.FindAllString(m[3], -1)...)
		}
	}
	return out
}

func TestNamed_FindsMetricsAndTheirLabels(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string][]string{"a_total": {"job", "x"}, "b": nil, "c": {"kind"}}, named(
		`sum by (le, d) (rate(a_total{job="e{f}", x=~"\"g.+"}[5m])) / 1024 ^ 3 > 0.5 and on (h) max by (h) (b) == 0 unless c{kind="i"} > 2`))
}

// answersAll has Prometheus evaluate every expression: that it parses does not
// say that both sides of an operator match.
func (o *observed) answersAll() {
	o.t.Helper()
	for _, e := range expressions(o.t) {
		var answer struct{ Result json.RawMessage }
		o.ask("query", url.Values{"query": {e.text}}, &answer)
	}
}
