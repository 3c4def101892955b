package check_test

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// referenceProblems lists the ConfigMaps, Secrets and keys that are named and
// neither there nor on the list of what is made elsewhere, and the Secrets that
// nobody uses. The base has no Secrets: its names are those of the overlay.
func (c cluster) referenceProblems() (out []string) {
	used := map[string]bool{}
	for _, w := range c.workloads() {
		for _, f := range w.container().EnvFrom {
			if f.ConfigMapRef == nil || !c.hasConfig(f.ConfigMapRef.Name) {
				out = append(out, w.name+": takes variables from what is not there")
			}
		}
		for _, e := range w.container().Env {
			if e.ValueFrom != nil || e.Value == "" {
				out = append(out, w.name+": "+e.Name+" has no value; secrets are files")
			}
		}
		for _, name := range w.secrets() {
			used[name] = true
			if _, ok := c.secret(name); !ok && len(c.secrets) > 0 {
				out = append(out, w.name+": the Secret "+name+" is not there")
			}
		}
	}
	for _, i := range c.ingresses {
		for _, t := range i.Spec.TLS {
			if !slices.Equal(elsewhere[t.SecretName], []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}) {
				out = append(out, "Ingress "+i.Name+": the Secret "+t.SecretName+" is not on the list")
			}
		}
	}
	for _, s := range c.secrets {
		if !used[s.Name] {
			out = append(out, "Secret "+s.Name+": nobody uses it")
		}
	}
	return out
}

// secrets are the names of those that a pod mounts.
func (w workload) secrets() (names []string) {
	for _, v := range w.pod.Spec.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.Secret != nil {
				names = append(names, s.Secret.Name)
			}
		}
	}
	return names
}

func (c cluster) hasConfig(name string) bool {
	_, ok := c.config(name)
	return ok
}

func (c cluster) config(name string) (corev1.ConfigMap, bool) {
	for _, m := range c.configs {
		if m.Name == name {
			return m, true
		}
	}
	return corev1.ConfigMap{}, false
}

func (c cluster) secret(name string) (corev1.Secret, bool) {
	for _, s := range c.secrets {
		if s.Name == name {
			return s, true
		}
	}
	return corev1.Secret{}, false
}
