//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// observability is the folder of what Prometheus and Grafana are given.
const observability = "../../compose/observability"

// expression is what a rule or a panel asks Prometheus.
type expression struct{ where, text string }

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alertRules reads all rule files.
func alertRules(t *testing.T) (all []alertRule) {
	t.Helper()
	files, err := filepath.Glob(observability + "/prometheus/rules/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		var file struct {
			Groups []struct {
				Name  string      `yaml:"name"`
				Rules []alertRule `yaml:"rules"`
			} `yaml:"groups"`
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(data, &file), path)
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

type source struct{ Type, UID string }

type grafanaPanel struct {
	ID                 int
	Type               string
	Title, Description string
	Datasource         source
	GridPos            struct{ X, Y, W, H int }
	Targets            []struct{ RefID, Expr, LegendFormat string }
}

type grafanaDashboard struct {
	UID, Title  string
	Panels      []grafanaPanel
	Annotations struct {
		List []struct {
			Datasource source
			Expr       string
		}
	}
}

// dashboards reads all dashboards.
func dashboards(t *testing.T) (all []grafanaDashboard) {
	t.Helper()
	files, err := filepath.Glob(observability + "/grafana/dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		var d grafanaDashboard
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &d), path)
		all = append(all, d)
	}
	return all
}

// expressions are those of all rules and panels. What Grafana puts in is put in.
func expressions(t *testing.T) (all []expression) {
	t.Helper()
	for _, r := range alertRules(t) {
		all = append(all, expression{"alert " + r.Alert, r.Expr})
	}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, expression{d.Title + ", " + p.Title, strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")})
			}
		}
		for _, a := range d.Annotations.List {
			all = append(all, expression{d.Title, a.Expr})
		}
	}
	return all
}

// needProgram skips the test when a program is not installed, or fails it where
// everything is required.
func needProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("ANB_TEST_REQUIRE") == "1" {
			require.NoError(t, err)
		}
		t.Skip(err)
	}
}

// promtool runs Prometheus's own checker.
func promtool(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	needProgram(t, "promtool")
	text, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	return string(text), err
}

func TestObserve_PrometheusAcceptsItsFilesAndTheRulesDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	out, err := promtool(t, "check", "config", observability+"/prometheus/prometheus.yml")
	require.NoError(t, err, out)
	require.Contains(t, out, "3 rule files found")
	out, err = promtool(t, "test", "rules", observability+"/rules_test.yml")
	require.NoError(t, err, out)
}

func TestObserve_EveryExpressionIsPromQL(t *testing.T) {
	t.Parallel()
	check := func(all []expression) (string, error) {
		type record struct {
			Record string `yaml:"record"`
			Expr   string `yaml:"expr"`
		}
		var records []record
		for i, e := range all {
			require.NotContains(t, e.text, "$", e.where)
			records = append(records, record{fmt.Sprintf("expression:%d", i), e.text})
		}
		data, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "all", "rules": records}}})
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "rules.yml")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return promtool(t, "check", "rules", path)
	}
	all := expressions(t)
	require.Greater(t, len(all), 80)
	out, err := check(all)
	require.NoError(t, err, out)
	_, err = check(append(all, expression{"wrong", "sum(rate(anb_jobs_total))"}))
	require.Error(t, err, "a wrong one is found")
}

func TestObserve_EachAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range alertRules(t) {
		require.Regexp(t, `^Anb[A-Z][A-Za-z]+$`, r.Alert)
		require.False(t, seen[r.Alert], r.Alert)
		seen[r.Alert] = true
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		for _, name := range []string{"summary", "description", "runbook"} {
			require.Regexp(t, `\.$`, r.Annotations[name], "%s: %s is a sentence", r.Alert, name)
		}
		require.NotEqual(t, r.Annotations["summary"], r.Annotations["description"])
	}
	require.GreaterOrEqual(t, len(seen), 15)
}

func TestObserve_DashboardsFitTheScreenAndTheirSource(t *testing.T) {
	t.Parallel()
	var sources struct {
		Datasources []source `yaml:"datasources"`
	}
	data, err := os.ReadFile(observability + "/grafana/provisioning/datasources/prometheus.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &sources))
	require.Len(t, sources.Datasources, 1)
	uids := map[string]bool{}
	for _, d := range dashboards(t) {
		require.Regexp(t, `^anb-[a-z]+$`, d.UID)
		require.False(t, uids[d.UID], d.UID)
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			where := d.Title + ", " + p.Title
			require.False(t, ids[p.ID], where)
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				require.Less(t, x, 24, where)
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.Empty(t, taken[[2]int{x, y}], "%s covers another panel", where)
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			require.NotEmpty(t, p.Description, where)
			require.NotEmpty(t, p.Targets, where)
			require.Equal(t, sources.Datasources[0], p.Datasource, where)
			for _, target := range p.Targets {
				for _, label := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
					if regexp.MustCompile(`\bby \(`).MatchString(target.Expr) {
						require.Regexp(t, `(\(|, )`+label[1]+`(\)|, )`, target.Expr, "%s: the legend names a label that is summed away", where)
					}
				}
			}
		}
	}
}
