package check_test

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// reach is who must be able to open which ports: with a peer's name, from
// there; to "out", on addresses outside of the cluster. It is all there is.
var reach = map[string][]string{
	"Deployment anb-api":       {"from ingress-nginx http", "from monitoring metrics", "to kube-system 53/TCP", "to kube-system 53/UDP", "to out 443", "to out 5432", "to out 6379"},
	"Deployment anb-worker":    {"from monitoring metrics", "to kube-system 53/TCP", "to kube-system 53/UDP", "to out 443", "to out 5432", "to out 6379"},
	"Deployment anb-dashboard": {"from ingress-nginx http", "from monitoring metrics", "to kube-system 53/TCP", "to kube-system 53/UDP", "to out 5432", "to out 6379"},
	"Job anb-migrate":          {"to kube-system 53/TCP", "to kube-system 53/UDP", "to out 5432"},
}

// policyProblems compares what the policies allow with reach.
func (c cluster) policyProblems() (out []string) {
	got := map[string][]string{}
	denied := map[string]map[networkingv1.PolicyType]bool{}
	for _, p := range c.policies {
		pods := c.chosen(&p.Spec.PodSelector)
		if len(pods) == 0 {
			out = append(out, "NetworkPolicy "+p.Name+": selects no pods")
		}
		for _, w := range pods {
			name := w.name
			if strings.HasPrefix(name, "Job ") {
				name = "Job anb-migrate" // without the image's tag
			}
			for _, kind := range p.Spec.PolicyTypes {
				if denied[name] == nil {
					denied[name] = map[networkingv1.PolicyType]bool{}
				}
				denied[name][kind] = true
			}
			for _, r := range p.Spec.Ingress {
				got[name] = append(got[name], ways(w, "from ", r.From, r.Ports)...)
			}
			for _, r := range p.Spec.Egress {
				got[name] = append(got[name], ways(w, "to ", r.To, r.Ports)...)
			}
		}
	}
	for name, want := range reach {
		if !denied[name][networkingv1.PolicyTypeIngress] || !denied[name][networkingv1.PolicyTypeEgress] {
			out = append(out, name+": everybody may reach it, or it everybody")
		}
		slices.Sort(got[name])
		if !slices.Equal(got[name], want) {
			out = append(out, name+": the network policies allow "+strings.Join(got[name], ", ")+" instead of "+strings.Join(want, ", "))
		}
	}
	return out
}

// ways spells one rule, as reach does.
func ways(w workload, direction string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (out []string) {
	if len(peers) == 0 || len(ports) == 0 {
		return []string{direction + "anybody"}
	}
	for _, peer := range peers {
		who := "out"
		if peer.IPBlock == nil {
			if peer.NamespaceSelector == nil {
				who = "here"
			} else {
				who = peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]
			}
		}
		for _, p := range ports {
			out = append(out, direction+who+" "+spell(w, p))
		}
	}
	return out
}

// spell names a port: one of the pods', which must be there, or a number.
func spell(w workload, p networkingv1.NetworkPolicyPort) string {
	switch {
	case p.Port == nil:
		return "any"
	case p.Port.Type == intstr.String && w.port(p.Port.StrVal) == 0:
		return p.Port.StrVal + " that is not there"
	case p.Port.String() == "53" && p.Protocol != nil:
		return "53/" + string(*p.Protocol)
	}
	return p.Port.String()
}
