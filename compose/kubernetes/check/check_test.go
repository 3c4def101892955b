package check_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKustomizations_AreDecodedStrictlyAndFitTogether(t *testing.T) {
	t.Parallel()
	for _, folder := range append(overlays(t), "base") {
		c := rendered(t, folder)
		require.Empty(t, c.problems(), folder)
		require.Len(t, c.deployments, 3, folder)
		require.Len(t, c.jobs, 1, folder)
		require.Len(t, c.autoscalers, 1, folder)
		require.Len(t, c.scaled, 1, folder)
		require.Len(t, c.budgets, 2, folder)
		require.Len(t, c.ingresses, 6, folder)
		require.Len(t, c.policies, 8, folder)
		require.Equal(t, "restricted", c.spaces[0].Labels["pod-security.kubernetes.io/enforce"], folder)
	}
}

func TestKustomizations_WhatDoesNotFitIsFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit edit
		says string
	}{
		"a field that is not there":      {edit{"base/api.yaml", "periodSeconds: 2\n", "periodSecond: 2\n"}, `unknown field "spec.template.spec.containers\[0\].startupProbe.periodSecond"`},
		"a field in other letters":       {edit{"base/api.yaml", "minReplicas:", "minreplicas:"}, `unknown field "spec.minreplicas"`},
		"a field of KEDA that is not":    {edit{"base/worker.yaml", "minReplicaCount:", "minReplicas:"}, `unknown field "spec.minReplicas"`},
		"a key twice":                    {edit{"base/api.yaml", "maxReplicas: 6\n", "maxReplicas: 6\n  maxReplicas: 7\n"}, `maxReplicas.*already`},
		"a value of another type":        {edit{"base/api.yaml", "maxReplicas: 6", "maxReplicas: many"}, "cannot unmarshal string"},
		"a kind of an older version":     {edit{"base/api.yaml", "autoscaling/v2", "autoscaling/v2beta2"}, "is not known here"},
		"a name that cannot be":          {edit{"base/dashboard.yaml", "kind: Service\nmetadata:\n  name: anb-dashboard", "kind: Service\nmetadata:\n  name: anb_dashboard"}, "RFC 1123"},
		"labels that differ":             {edit{"base/api.yaml", "    matchLabels:\n      app.kubernetes.io/name: anb\n      app.kubernetes.io/component: api\n  strategy", "    matchLabels:\n      app.kubernetes.io/name: anb\n  strategy"}, "anb-api: does not select its own pods alone"},
		"a service of others":            {edit{"base/dashboard.yaml", "  selector:\n    app.kubernetes.io/name: anb\n    app.kubernetes.io/component: dashboard", "  selector:\n    app.kubernetes.io/name: anb\n    app.kubernetes.io/component: api"}, "Service anb-dashboard: does not lead"},
		"a service's port":               {edit{"base/api.yaml", "targetPort: http", "targetPort: web"}, "the port web is not there"},
		"a backend's port":               {edit{"base/ingress.yaml", "{name: anb-api, port: {name: http}}", "{name: anb-api, port: {name: web}}"}, "leads nowhere"},
		"an annotation":                  {edit{"base/ingress.yaml", "proxy-request-buffering", "proxy-request-bufering"}, "proxy-request-bufering is not known"},
		"a certificate":                  {edit{"base/ingress.yaml", "secretName: anb-tls", "secretName: anb-tsl"}, "anb-tsl is not on the list"},
		"a configuration":                {edit{"base/worker.yaml", "name: anb-config", "name: anb-confg"}, "takes variables from what is not there"},
		"a secret":                       {edit{"base/worker.yaml", "name: anb-stores", "name: anb-store"}, "the Secret anb-store is not there"},
		"a secret in a variable":         {edit{"base/migrate.yaml", "{name: ANB_LOG_FORMAT, value: json}", "{name: ANB_DATABASE_URL, valueFrom: {secretKeyRef: {name: anb-migrate, key: database-url}}}"}, "secrets are files"},
		"root":                           {edit{"base/worker.yaml", "runAsNonRoot: true", "runAsNonRoot: false"}, "does not run as 10001"},
		"a root file system to write":    {edit{"base/api.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}, "may change its root file system"},
		"a capability":                   {edit{"base/api.yaml", "drop: [ALL]", "drop: [ALL], add: [NET_ADMIN]"}, "gain rights"},
		"no seccomp":                     {edit{"base/migrate.yaml", "RuntimeDefault", "Unconfined"}, "no seccomp"},
		"a token":                        {edit{"base/api.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true"}, "gets a token"},
		"variables of services":          {edit{"base/api.yaml", "enableServiceLinks: false", "enableServiceLinks: true"}, "gets variables of services"},
		"no limit":                       {edit{"base/worker.yaml", "memory: 1536Mi, ", ""}, "requests 448Mi of memory and is limited to 0"},
		"folders larger than the pod":    {edit{"base/api.yaml", "sizeLimit: 4Gi", "sizeLimit: 6Gi"}, "the pod only 5Gi"},
		"a folder without a limit":       {edit{"base/worker.yaml", "emptyDir: {sizeLimit: 1Gi}", "emptyDir: {}"}, "work has no limit"},
		"a folder that is not mounted":   {edit{"base/worker.yaml", "            - {name: cache, mountPath: /app/data/cache}\n", ""}, "has the volumes"},
		"a probe of no port":             {edit{"base/worker.yaml", "port: metrics}", "port: http}"}, "probe asks nothing"},
		"no probe":                       {edit{"base/dashboard.yaml", "readinessProbe", "x"}, `unknown field`},
		"pods taken away first":          {edit{"base/api.yaml", "maxUnavailable: 0", "maxUnavailable: 1"}, "before others are ready"},
		"an autoscaler of nothing":       {edit{"base/api.yaml", "kind: Deployment, name: anb-api", "kind: Deployment, name: anb-ap"}, "its target is not there"},
		"replicas beside an autoscaler":  {edit{"base/worker.yaml", "spec: # without", "spec:\n  replicas: 3 # without"}, "sets the number of its target back"},
		"workers that vanish at once":    {edit{"base/worker.yaml", "stabilizationWindowSeconds: 300", "stabilizationWindowSeconds: 0"}, "takes pods away at once"},
		"a budget that blocks":           {edit{"base/api.yaml", "spec:\n  maxUnavailable: 1", "spec:\n  maxUnavailable: 0"}, "keeps nodes from being drained"},
		"names that cannot be looked up": {edit{"base/network.yaml", "{protocol: UDP, port: 53}", "{protocol: UDP, port: 54}"}, "network policies allow"},
		"a policy of nobody":             {edit{"base/network.yaml", "component: api}", "component: apis}"}, "selects no pods"},
		"everybody may come in":          {edit{"base/network.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Egress]"}, "everybody may reach it"},
		"another way out":                {edit{"base/network.yaml", "port: 5432", "port: 5433"}, "to out 5433"},
		"the latest image":               {edit{example + "/kustomization.yaml", "newTag: 1.0.0", "newTag: latest"}, "is not pinned"},
		"a registry without a tag":       {edit{example + "/kustomization.yaml", "    newTag: 1.0.0\n", ""}, "out of bounds"},
	} {
		c, err := render(layout(t, tt.edit), example)
		said := strings.Join(c.problems(), "\n")
		if err != nil {
			said = err.Error()
		}
		require.Regexp(t, tt.says, said, name)
	}
}

func TestOverlays_NothingOfTheBaseIsLeftThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, folder := range overlays(t) {
		c := rendered(t, folder)
		for _, w := range c.workloads() {
			require.NotEqual(t, "anb", w.container().Image, folder)
		}
		for _, i := range c.ingresses {
			require.NotContains(t, i.Spec.Rules[0].Host, "invalid", folder)
		}
		for _, p := range c.policies {
			for _, r := range p.Spec.Egress {
				for _, to := range r.To {
					require.False(t, to.IPBlock != nil && strings.HasPrefix(to.IPBlock.CIDR, "192.0.2."), "%s: %s", folder, p.Name)
				}
			}
		}
	}
}

func TestOverlays_WithoutTheirSecretsNothingIsMade(t *testing.T) {
	t.Parallel()
	for name := range secrets {
		files := layout(t)
		require.NoError(t, files.RemoveAll(example+"/secrets/"+name))
		_, err := render(files, example)
		require.ErrorContains(t, err, name)
	}
}

func TestMigration_IsAJobOfItsOwnForEachImage(t *testing.T) {
	t.Parallel()
	require.Equal(t, "anb-migrate-1.0.0", rendered(t, example).jobs[0].Name)
	c, err := render(layout(t, edit{example + "/kustomization.yaml", "newTag: 1.0.0", "newTag: 1.1.0"}), example)
	require.NoError(t, err)
	require.Equal(t, "anb-migrate-1.1.0", c.jobs[0].Name)
	require.Equal(t, []string{"anb-migrate"}, c.workloads()[3].secrets(), "no hash: the Job of an image never changes")
	require.Empty(t, c.workloads()[3].container().EnvFrom)
}
