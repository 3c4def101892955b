package check_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// connections is what docs/DEPLOYMENT.md asks PostgreSQL for.
const connections = 150

const mib = 1 << 20

func (e effective) text(section, key string) string { return fmt.Sprint(e[section][key]) }

func (e effective) seconds(t *testing.T, section, key string) int64 {
	t.Helper()
	d, err := time.ParseDuration(e.text(section, key))
	require.NoError(t, err)
	return int64(d / time.Second)
}

func (e effective) number(t *testing.T, section, key string) int64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.text(section, key), 64)
	require.NoError(t, err)
	return int64(n)
}

func (e effective) port(t *testing.T, section string) int32 {
	t.Helper()
	host, port, err := net.SplitHostPort(e.text(section, "addr"))
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0", host, section)
	n, err := strconv.ParseInt(port, 10, 32)
	require.NoError(t, err)
	return int32(n)
}

// roles are the workloads of the example with the configuration in force.
func roles(t *testing.T) (cluster, map[string]workload, map[string]effective) {
	t.Helper()
	c := rendered(t, example)
	pods, configs := map[string]workload{}, map[string]effective{}
	for _, w := range c.workloads() {
		e, problem := c.check(t, w, nil)
		require.Empty(t, problem, w.name)
		role := w.pod.Labels["app.kubernetes.io/component"]
		pods[role], configs[role] = w, e
	}
	require.Len(t, pods, 4)
	return c, pods, configs
}

func TestContainers_AnbKnowsAllTheirVariablesAndArguments(t *testing.T) {
	t.Parallel()
	for _, folder := range overlays(t) {
		c := rendered(t, folder)
		for _, w := range c.workloads() {
			_, problem := c.check(t, w, nil)
			require.Empty(t, problem, "%s: %s", folder, w.name)
		}
	}
	for name, tt := range map[string]struct {
		edit edit
		says string
	}{
		"a variable that is not":   {edit{"base/config.env", "ANB_WORK_DRAIN", "ANB_WORK_DRIAN"}, "unknown variable ANB_WORK_DRIAN"},
		"one of the overlay":       {edit{example + "/dashboard.env", "ANB_MONITOR_LABEL", "ANB_LABEL"}, "unknown variable ANB_LABEL"},
		"one of the container":     {edit{"base/worker.yaml", "ANB_DATABASE_MAX_OPEN", "ANB_DATABASE_MAX"}, "unknown variable ANB_DATABASE_MAX"},
		"one of others":            {edit{"base/worker.yaml", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SHARED_CREDENTIAL_FILE"}, "unknown variable AWS_"},
		"a duration without unit":  {edit{"base/config.env", "GRACE=240s", "GRACE=240"}, "missing unit"},
		"a bucket without a stage": {edit{"base/config.env", "ANB_STORAGE_STAGE_DIR=/app/data/stage", "ANB_STORAGE_STAGE_DIR="}, "stage_dir is empty"},
		"a secret not mounted":     {edit{"base/api.yaml", "              - secret: {name: anb-jwt}\n", ""}, "ANB_AUTH_JWT_SECRET_FILE"},
		"another file's name":      {edit{"base/dashboard.env", "anb/monitor-users", "anb/users"}, "ANB_MONITOR_USERS_FILE"},
		"no users":                 {edit{"base/dashboard.env", "ANB_MONITOR_USERS_FILE=/run/secrets/anb/monitor-users\n", ""}, "hash-password"},
		"a command that is not":    {edit{"base/worker.yaml", "args: [work]", "args: [worker]"}, "args: "},
		"a flag that is not":       {edit{"base/worker.yaml", "args: [work]", "args: [work, --slots, \"2\"]"}, "unknown flag: --slots"},
	} {
		c, err := render(layout(t, tt.edit), example)
		require.NoError(t, err, name)
		var said []string
		for _, w := range c.workloads() {
			_, problem := c.check(t, w, nil)
			said = append(said, problem)
		}
		require.Regexp(t, tt.says, strings.Join(said, "\n"), name)
	}
}

func TestContainers_VariablesOfServicesWouldKeepThemFromStarting(t *testing.T) {
	t.Parallel()
	c := rendered(t, example)
	_, problem := c.check(t, c.workloads()[0], map[string]string{"ANB_API_SERVICE_HOST": "10.0.0.1"})
	require.Contains(t, problem, "unknown variable ANB_API_SERVICE_HOST")
}

func TestRoles_HaveTheTimeToEndWell(t *testing.T) {
	t.Parallel()
	_, pods, configs := roles(t)
	grace := func(role string) int64 { return *pods[role].pod.Spec.TerminationGracePeriodSeconds }
	api := configs["api"]
	require.GreaterOrEqual(t, api.seconds(t, "http", "shutdown_delay"), int64(5), "endpoints are gone by then")
	require.Greater(t, grace("api"), api.seconds(t, "http", "shutdown_delay")+api.seconds(t, "http", "shutdown_grace"))
	require.Greater(t, grace("worker"), configs["worker"].seconds(t, "work", "drain"))
	require.Greater(t, grace("dashboard"), configs["dashboard"].seconds(t, "http", "shutdown_grace"))
}

func TestRoles_HaveRoomForWhatTheyAreConfiguredToTake(t *testing.T) {
	t.Parallel()
	c, pods, configs := roles(t)
	api, worker := configs["api"], configs["worker"]
	uploads := api.number(t, "upload", "at_once")
	require.Positive(t, uploads)
	require.Greater(t, folder(t, pods["api"], api.text("storage", "stage_dir")), uploads*api.number(t, "upload", "max_bytes"))
	require.Greater(t, limit(pods["api"]), uploads*(24+30)*mib+64*mib, "two or three parts of an upload and an ffprobe of each, and anb itself")
	jobs := worker.number(t, "work", "concurrency")
	require.Greater(t, limit(pods["worker"]), jobs*worker.number(t, "ffmpeg", "max_memory")+64*mib)
	require.Greater(t, folder(t, pods["worker"], worker.text("processing", "work_dir")), jobs*4*worker.number(t, "upload", "max_bytes"))
	for _, key := range []string{"work_dir", "cache_dir"} {
		require.Positive(t, folder(t, pods["worker"], worker.text("processing", key)))
	}
	require.Positive(t, folder(t, pods["worker"], worker.text("storage", "stage_dir")))

	// Each at its most, while a roll-out adds to it.
	most := map[string]int64{"api": int64(c.autoscalers[0].Spec.MaxReplicas) + 1, "worker": int64(*c.scaled[0].Spec.MaxReplicaCount) * 5 / 4, "dashboard": 2, "migrate": 1}
	var open int64
	for role, n := range most {
		open += n * configs[role].number(t, "database", "max_open")
	}
	require.LessOrEqual(t, open, int64(connections))
}

// folder returns the limit of the folder that is mounted at path, in bytes.
func folder(t *testing.T, w workload, path string) int64 {
	t.Helper()
	for _, m := range w.container().VolumeMounts {
		for _, v := range w.pod.Spec.Volumes {
			if m.MountPath == path && v.Name == m.Name && v.EmptyDir != nil {
				return v.EmptyDir.SizeLimit.Value()
			}
		}
	}
	require.Fail(t, "nothing is mounted at "+path, w.name)
	return 0
}

func limit(w workload) int64 {
	q := w.container().Resources.Limits[corev1.ResourceMemory]
	return q.Value()
}

func TestRoles_ListenAndAreFoundWhereTheManifestsSay(t *testing.T) {
	t.Parallel()
	c, pods, configs := roles(t)
	require.Equal(t, pods["api"].port("http"), configs["api"].port(t, "http"))
	require.Equal(t, pods["dashboard"].port("http"), configs["dashboard"].port(t, "monitor"))
	for _, role := range []string{"api", "worker", "dashboard"} {
		require.Equal(t, pods[role].port("metrics"), configs[role].port(t, "metrics"), role)
	}
	public, err := url.Parse(configs["api"].text("http", "public_url"))
	require.NoError(t, err)
	for _, i := range c.ingresses {
		if i.Name == "anb-dashboard" {
			require.Contains(t, configs["dashboard"].text("monitor", "allowed_hosts"), i.Spec.Rules[0].Host)
		} else {
			require.Equal(t, public.Host, i.Spec.Rules[0].Host, i.Name)
		}
	}
	for _, role := range []string{"api", "worker"} {
		require.Regexp(t, `^s3://`, configs[role].text("storage", "originals"))
		require.Regexp(t, `^s3://`, configs[role].text("storage", "processed"))
	}
	require.NotEqual(t, "[]", configs["api"].text("http", "trusted_proxies"))
	require.Equal(t, configs["api"].text("http", "trusted_proxies"), configs["dashboard"].text("monitor", "trusted_proxies"))
}

func TestWorkers_AreScaledByAMetricThatIsThere(t *testing.T) {
	t.Parallel()
	c, _, configs := roles(t)
	query := c.scaled[0].Spec.Triggers[0].Metadata["query"]
	metrics, err := os.ReadFile("../../../modules/monitor/metrics.go")
	require.NoError(t, err)
	states, err := os.ReadFile("../../../modules/monitor/job.go")
	require.NoError(t, err)
	parts := regexp.MustCompile(`^sum\(max by \(queue, state\) \((anb_[a-z_]+)\{queue="([a-z_]+)",state=~"([a-z|]+)"\}\)\)$`).FindStringSubmatch(query)
	require.NotNil(t, parts, query)
	require.Contains(t, string(metrics), `gauge("`+parts[1]+`", "Jobs of a queue by state.", "queue", "state")`)
	require.Equal(t, configs["worker"].text("processing", "queue"), parts[2])
	require.Equal(t, "["+parts[2]+"]", configs["worker"].text("work", "queues"))
	for state := range strings.SplitSeq(parts[3], "|") {
		require.Regexp(t, `State = "`+state+`"`, string(states))
	}
}
