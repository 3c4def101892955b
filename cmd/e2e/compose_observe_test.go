//go:build e2e && compose

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// beforeObservability makes what an engine without a registry cannot fetch: a
// real Prometheus of Debian, and something in the place of Grafana that only
// shows that it was given its files. An engine that has the images keeps them.
func (o *owner) beforeObservability() {
	prometheus, grafana := o.image("prometheus"), o.image("grafana")
	o.quiet(`docker image inspect ` + prometheus + ` >/dev/null 2>&1 || docker build -q -t ` + prometheus + ` - <<'EOF'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends prometheus busybox && ln -s /bin/busybox /usr/local/bin/wget
ENTRYPOINT ["/usr/bin/prometheus"]
EOF`)
	o.quiet(`docker image inspect ` + grafana + ` >/dev/null 2>&1 || docker build -q -t ` + grafana + ` - <<'EOF'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends busybox && ln -s /bin/busybox /usr/local/bin/wget
ENTRYPOINT ["sh", "-euc", "test -s $GF_SECURITY_ADMIN_PASSWORD__FILE; touch /var/lib/grafana/x; mkdir -p /tmp/www/api; cp /etc/grafana/dashboards/*.json /etc/grafana/provisioning/*/*.yml /tmp/www; echo ok >/tmp/www/api/health; exec busybox httpd -f -p 3000 -h /tmp/www"]
EOF`)
}

// image is the image that the compose file names for a service.
func (o *owner) image(service string) string {
	var all struct {
		Services map[string]struct{ Image string }
	}
	require.NoError(o.t, json.Unmarshal([]byte(o.quiet("docker-compose --profile observability config --format json")), &all))
	require.NotEmpty(o.t, all.Services[service].Image)
	return all.Services[service].Image
}

// afterObservability: Prometheus has found every replica of every role, knows
// the rules, and none of them is broken or fires.
func (o *owner) afterObservability() {
	o.healthy(2*time.Minute, "prometheus", "grafana")
	ask := func(path string, into any) {
		res, err := o.book.http.Get("http://127.0.0.1:9091" + path)
		require.NoError(o.t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(o.t, err)
		require.Equal(o.t, http.StatusOK, res.StatusCode, "%s", data)
		require.NoError(o.t, json.Unmarshal(data, into), "%s", data)
	}
	want := map[string]int{}
	for _, c := range o.service("api", "worker", "flower") {
		want[c.service()]++
	}
	var up map[string]int
	require.Eventually(o.t, func() bool {
		var targets struct {
			Data struct {
				ActiveTargets []struct {
					Labels map[string]string
					Health string
				}
			}
		}
		ask("/api/v1/targets", &targets)
		up = map[string]int{}
		for _, a := range targets.Data.ActiveTargets {
			if a.Health == "up" {
				up[a.Labels["job"]]++
			}
		}
		return len(up) == len(want) && up["api"] == want["api"] && up["worker"] == want["worker"] && up["flower"] == want["flower"]
	}, time.Minute, time.Second, "not all replicas are scraped")
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
	}
	require.Eventually(o.t, func() bool {
		ask("/api/v1/rules", &rules)
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return false
				}
			}
		}
		return len(rules.Data.Groups) > 0
	}, time.Minute, time.Second, "rules that were not evaluated")
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			require.NotEqual(o.t, "firing", r.State, r.Name)
		}
	}
	for _, c := range o.service("prometheus", "grafana") {
		for _, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				require.Equal(o.t, "127.0.0.1", b.HostIP, c.Name)
			}
		}
		require.True(o.t, c.HostConfig.ReadonlyRootfs, c.Name)
	}
}

// afterDevelopment: what developers want is open, and on this machine alone.
func (o *owner) afterDevelopment() {
	o.healthy(time.Minute)
	for _, c := range o.service("api", "redis", "postgres") {
		require.NotEmpty(o.t, c.HostConfig.PortBindings, c.Name)
		for _, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				require.Equal(o.t, "127.0.0.1", b.HostIP, c.Name)
			}
		}
	}
	res, err := o.book.http.Get("http://" + strings.TrimSpace(o.quiet("docker-compose port api 8000")) + "/health")
	require.NoError(o.t, err)
	require.NoError(o.t, res.Body.Close())
	require.Equal(o.t, http.StatusOK, res.StatusCode)
}
