package check_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// podProblems lists what is wrong with the pods for themselves.
func (c cluster) podProblems() (out []string) {
	for _, w := range c.workloads() {
		say := func(format string, args ...any) { out = append(out, w.name+": "+fmt.Sprintf(format, args...)) }
		if len(w.pod.Spec.Containers) != 1 || len(w.pod.Spec.InitContainers) > 0 {
			say("has not exactly one container")
			continue
		}
		p, one := w.pod.Spec, w.container()
		yes := func(b *bool) bool { return b != nil && *b }
		no := func(b *bool) bool { return b != nil && !*b }
		if !no(p.AutomountServiceAccountToken) {
			say("gets a token of the service account")
		}
		if !no(p.EnableServiceLinks) {
			say("gets variables of services, which anb refuses")
		}
		if !slices.ContainsFunc(c.accounts, func(a corev1.ServiceAccount) bool { return a.Name == p.ServiceAccountName }) {
			say("names the service account %q, which is not there", p.ServiceAccountName)
		}
		s := p.SecurityContext
		if s == nil || !yes(s.RunAsNonRoot) || s.RunAsUser == nil || *s.RunAsUser != 10001 || s.RunAsGroup == nil || *s.RunAsGroup != 10001 || s.FSGroup == nil || *s.FSGroup != 10001 {
			say("does not run as 10001:10001")
		}
		if s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			say("has no seccomp profile")
		}
		x := one.SecurityContext
		if x == nil || !no(x.AllowPrivilegeEscalation) || !yes(x.ReadOnlyRootFilesystem) || x.Capabilities == nil || !slices.Contains(x.Capabilities.Drop, "ALL") || len(x.Capabilities.Add) > 0 {
			say("may change its root file system or gain rights")
		}
		out = append(out, resourceProblems(w)...)
		out = append(out, mountProblems(w)...)
		out = append(out, imageProblems(w)...)
	}
	return out
}

func resourceProblems(w workload) (out []string) {
	r := w.container().Resources
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		request, limit := r.Requests[name], r.Limits[name]
		if request.Sign() <= 0 || limit.Cmp(request) < 0 {
			out = append(out, fmt.Sprintf("%s: requests %s of %s and is limited to %s", w.name, request.String(), name, limit.String()))
		}
	}
	var sum resource.Quantity
	for _, v := range w.pod.Spec.Volumes {
		if v.EmptyDir == nil {
			continue
		}
		if v.EmptyDir.SizeLimit == nil {
			out = append(out, w.name+": the folder "+v.Name+" has no limit")
			continue
		}
		sum.Add(*v.EmptyDir.SizeLimit)
	}
	if limit := r.Limits[corev1.ResourceEphemeralStorage]; limit.Cmp(sum) < 0 {
		out = append(out, fmt.Sprintf("%s: its folders may hold %s, the pod only %s", w.name, sum.String(), limit.String()))
	}
	return out
}

func mountProblems(w workload) (out []string) {
	var there, used []string
	for _, v := range w.pod.Spec.Volumes {
		there = append(there, v.Name)
		if v.HostPath != nil {
			out = append(out, w.name+": mounts a folder of the node")
		}
	}
	for _, m := range w.container().VolumeMounts {
		used = append(used, m.Name)
		if secret := m.Name == "secrets"; secret != m.ReadOnly {
			out = append(out, fmt.Sprintf("%s: %s is mounted with readOnly %t", w.name, m.MountPath, m.ReadOnly))
		}
	}
	slices.Sort(there)
	slices.Sort(used)
	if !slices.Equal(there, used) {
		out = append(out, fmt.Sprintf("%s: has the volumes %v and mounts %v", w.name, there, used))
	}
	return out
}

// pinned is an image with a version or a digest; registry and path are free.
var pinned = regexp.MustCompile(`^[a-z0-9][a-z0-9./:_-]*/anb(:[0-9][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$`)

// imageProblems leaves the base alone, whose image an overlay names.
func imageProblems(w workload) (out []string) {
	if image := w.container().Image; image != "anb" && !pinned.MatchString(image) {
		out = append(out, w.name+": the image "+image+" is not pinned")
	}
	return out
}

// probeProblems lists the probes that are missing or ask a port that is not
// there.
func (c cluster) probeProblems() (out []string) {
	for _, d := range c.deployments {
		w := workload{"Deployment " + d.Name, d.Spec.Selector, d.Spec.Template}
		one := w.container()
		for kind, p := range map[string]*corev1.Probe{"startup": one.StartupProbe, "readiness": one.ReadinessProbe, "liveness": one.LivenessProbe} {
			switch {
			case p != nil && p.HTTPGet != nil && strings.HasPrefix(p.HTTPGet.Path, "/") && w.port(p.HTTPGet.Port.StrVal) != 0:
			case p != nil && p.TCPSocket != nil && w.port(p.TCPSocket.Port.StrVal) != 0:
			default:
				out = append(out, w.name+": its "+kind+" probe asks nothing that is there")
			}
		}
		if at := d.Spec.Template.Annotations["prometheus.io/port"]; at != fmt.Sprint(w.port("metrics")) || d.Spec.Template.Annotations["prometheus.io/scrape"] != "true" {
			out = append(out, w.name+": Prometheus is sent to port "+at)
		}
		if r := d.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable == nil || r.MaxUnavailable.String() != "0" {
			out = append(out, w.name+": a roll-out takes pods away before others are ready")
		}
	}
	return out
}
