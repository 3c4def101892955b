package check_test

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// problems lists everything in which objects do not fit together.
func (c cluster) problems() []string {
	return slices.Concat(c.podProblems(), c.probeProblems(), c.selectorProblems(), c.ingressProblems(), c.referenceProblems(),
		c.scaleProblems(), c.policyProblems())
}

// chosen are the workloads whose pods a selector takes.
func (c cluster) chosen(s *metav1.LabelSelector) (out []workload) {
	chooser, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil
	}
	for _, w := range c.workloads() {
		if chooser.Matches(labels.Set(w.pod.Labels)) {
			out = append(out, w)
		}
	}
	return out
}

// only tells whether a selector takes the pods of the named workload and no
// others.
func (c cluster) only(s *metav1.LabelSelector, name string) bool {
	got := c.chosen(s)
	return len(got) == 1 && got[0].name == name
}

// selectorProblems compares selectors with the labels of pods, and the ports of
// services with theirs. Whatever belongs to a workload has its name.
func (c cluster) selectorProblems() (out []string) {
	for _, w := range c.workloads() {
		if w.selector != nil && !c.only(w.selector, w.name) {
			out = append(out, w.name+": does not select its own pods alone")
		}
		for _, t := range w.pod.Spec.TopologySpreadConstraints {
			if !c.only(t.LabelSelector, w.name) {
				out = append(out, w.name+": is not spread by its own pods")
			}
		}
	}
	for _, s := range c.services {
		selector := &metav1.LabelSelector{MatchLabels: s.Spec.Selector}
		if !c.only(selector, "Deployment "+s.Name) {
			out = append(out, "Service "+s.Name+": does not lead to the pods of its name alone")
			continue
		}
		for _, p := range s.Spec.Ports {
			if c.chosen(selector)[0].port(p.TargetPort.StrVal) == 0 {
				out = append(out, "Service "+s.Name+": the port "+p.TargetPort.String()+" is not there")
			}
		}
	}
	for _, b := range c.budgets {
		if !c.only(b.Spec.Selector, "Deployment "+b.Name) {
			out = append(out, "PodDisruptionBudget "+b.Name+": does not select the pods of its name alone")
		}
	}
	return out
}

func (c cluster) ingressProblems() (out []string) {
	for _, i := range c.ingresses {
		var hosts, covered []string
		if i.Spec.IngressClassName == nil || *i.Spec.IngressClassName == "" {
			out = append(out, "Ingress "+i.Name+": has no class")
		}
		for _, t := range i.Spec.TLS {
			covered = append(covered, t.Hosts...)
		}
		for _, r := range i.Spec.Rules {
			hosts = append(hosts, r.Host)
			for _, p := range r.HTTP.Paths {
				if !c.serves(p.Backend.Service) {
					out = append(out, "Ingress "+i.Name+": "+p.Path+" leads nowhere")
				}
			}
		}
		if !slices.Equal(hosts, covered) {
			out = append(out, fmt.Sprintf("Ingress %s: is for %v and has certificates for %v", i.Name, hosts, covered))
		}
		for key := range i.Annotations {
			if !slices.Contains(annotations, strings.TrimPrefix(key, "nginx.ingress.kubernetes.io/")) {
				out = append(out, "Ingress "+i.Name+": the annotation "+key+" is not known here")
			}
		}
	}
	return out
}

// annotations are those of ingress-nginx that are used, as its documentation
// spells them: no type knows them.
var annotations = []string{
	"limit-burst-multiplier", "limit-connections", "limit-rpm", "limit-rps", "proxy-body-size", "proxy-buffering", "proxy-connect-timeout",
	"proxy-read-timeout", "proxy-request-buffering", "proxy-send-timeout", "ssl-redirect", "use-regex", "whitelist-source-range",
}

func (c cluster) serves(b *networkingv1.IngressServiceBackend) bool {
	return slices.ContainsFunc(c.services, func(s corev1.Service) bool {
		return b != nil && s.Name == b.Name && slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == b.Port.Name })
	})
}

// scaleProblems compares autoscalers and budgets with what they are for.
func (c cluster) scaleProblems() (out []string) {
	scale := map[string][2]int32{} // at least and at most, by Deployment
	put := func(who, kind, name string, least, most *int32) {
		if d, ok := c.deployment(name); kind != "Deployment" || !ok {
			out = append(out, who+": its target is not there")
		} else if d.Spec.Replicas != nil {
			out = append(out, who+": each roll-out sets the number of its target back")
		}
		if _, twice := scale[name]; twice || least == nil || most == nil || *least < 2 || *most <= *least {
			out = append(out, who+": must be the only one, from 2 to more")
			return
		}
		scale[name] = [2]int32{*least, *most}
	}
	for _, h := range c.autoscalers {
		t := h.Spec.ScaleTargetRef
		put("HorizontalPodAutoscaler "+h.Name, t.Kind, t.Name, h.Spec.MinReplicas, &h.Spec.MaxReplicas)
	}
	for _, s := range c.scaled {
		t := s.Spec.ScaleTargetRef
		put("ScaledObject "+s.Name, t.Kind, t.Name, s.Spec.MinReplicaCount, s.Spec.MaxReplicaCount)
		if s.Spec.CooldownPeriod != nil {
			out = append(out, "ScaledObject "+s.Name+": a cooldown is only for a minimum of 0")
		}
		if b := s.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior; b == nil || b.ScaleDown == nil || b.ScaleDown.StabilizationWindowSeconds == nil || *b.ScaleDown.StabilizationWindowSeconds < 60 {
			out = append(out, "ScaledObject "+s.Name+": takes pods away at once")
		}
		if f := s.Spec.Fallback; f.FailureThreshold < 1 || f.Replicas < 2 {
			out = append(out, "ScaledObject "+s.Name+": has nothing to fall back to")
		}
	}
	for _, d := range c.deployments {
		if d.Spec.Replicas == nil && scale[d.Name][0] == 0 {
			out = append(out, "Deployment "+d.Name+": nobody says how many pods it has")
		}
	}
	for _, b := range c.budgets {
		if m := b.Spec.MaxUnavailable; b.Spec.MinAvailable != nil || m == nil || m.IntVal < 1 || m.IntVal >= scale[b.Name][0] {
			out = append(out, "PodDisruptionBudget "+b.Name+": keeps nodes from being drained, or nothing from going away")
		}
	}
	return out
}

func (c cluster) deployment(name string) (appsv1.Deployment, bool) {
	for _, d := range c.deployments {
		if d.Name == name {
			return d, true
		}
	}
	return appsv1.Deployment{}, false
}
