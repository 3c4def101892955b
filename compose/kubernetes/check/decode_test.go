package check_test

import (
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// cluster is what a kustomization makes.
type cluster struct {
	spaces      []corev1.Namespace
	accounts    []corev1.ServiceAccount
	configs     []corev1.ConfigMap
	secrets     []corev1.Secret
	services    []corev1.Service
	deployments []appsv1.Deployment
	jobs        []batchv1.Job
	autoscalers []autoscalingv2.HorizontalPodAutoscaler
	scaled      []scaledObject
	budgets     []policyv1.PodDisruptionBudget
	ingresses   []networkingv1.Ingress
	policies    []networkingv1.NetworkPolicy
}

// scaledObject has what is used here of KEDA's ScaledObject, after
// apis/keda/v1alpha1/scaledobject_types.go and scaletriggers_types.go of
// github.com/kedacore/keda 2.17, whose module is too large to be a dependency.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef  autoscalingv2.CrossVersionObjectReference `json:"scaleTargetRef"`
		PollingInterval *int32                                    `json:"pollingInterval"`
		CooldownPeriod  *int32                                    `json:"cooldownPeriod"`
		MinReplicaCount *int32                                    `json:"minReplicaCount"`
		MaxReplicaCount *int32                                    `json:"maxReplicaCount"`
		Advanced        struct {
			HorizontalPodAutoscalerConfig struct {
				Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Fallback struct {
			FailureThreshold int32  `json:"failureThreshold"`
			Replicas         int32  `json:"replicas"`
			Behavior         string `json:"behavior"`
		} `json:"fallback"`
		Triggers []struct {
			Type     string            `json:"type"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// add decodes one object. A field that its type does not have, or has in other
// letters, a key given twice and a kind that is unknown here are errors.
func (c *cluster) add(text []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		return add(&c.spaces, text)
	case "v1 ServiceAccount":
		return add(&c.accounts, text)
	case "v1 ConfigMap":
		return add(&c.configs, text)
	case "v1 Secret":
		return add(&c.secrets, text)
	case "v1 Service":
		return add(&c.services, text)
	case "apps/v1 Deployment":
		return add(&c.deployments, text)
	case "batch/v1 Job":
		return add(&c.jobs, text)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return add(&c.autoscalers, text)
	case "keda.sh/v1alpha1 ScaledObject":
		return add(&c.scaled, text)
	case "policy/v1 PodDisruptionBudget":
		return add(&c.budgets, text)
	case "networking.k8s.io/v1 Ingress":
		return add(&c.ingresses, text)
	case "networking.k8s.io/v1 NetworkPolicy":
		return add(&c.policies, text)
	}
	return fmt.Errorf("%s %q is not known here", kind.APIVersion, kind.Kind)
}

func add[T any](list *[]T, text []byte) error {
	var (
		one  T
		meta struct {
			Kind              string
			metav1.ObjectMeta `json:"metadata"`
		}
	)
	if err := strictly(text, &one); err != nil {
		return fmt.Errorf("%w in\n%s", err, text)
	}
	if err := yaml.Unmarshal(text, &meta); err != nil {
		return err
	}
	if wrong := validation.IsDNS1123Subdomain(meta.Name); len(wrong) > 0 {
		return fmt.Errorf("%s %q: %s", meta.Kind, meta.Name, strings.Join(wrong, ", "))
	}
	if want := "anb"; meta.Kind != "Namespace" && meta.Namespace != want {
		return fmt.Errorf("%s %s is in the namespace %q, not in %s", meta.Kind, meta.Name, meta.Namespace, want)
	}
	*list = append(*list, one)
	return nil
}

// strictly decodes YAML as an API server with strict field validation does.
func strictly(text []byte, into any) error {
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	strict, err := json.UnmarshalStrict(data, into)
	return errors.Join(append(strict, err)...)
}

// workload is what makes pods.
type workload struct {
	name     string
	selector *metav1.LabelSelector // nil: the controller's own
	pod      corev1.PodTemplateSpec
}

func (c cluster) workloads() []workload {
	var all []workload
	for _, d := range c.deployments {
		all = append(all, workload{"Deployment " + d.Name, d.Spec.Selector, d.Spec.Template})
	}
	for _, j := range c.jobs {
		all = append(all, workload{"Job " + j.Name, j.Spec.Selector, j.Spec.Template})
	}
	return all
}

// container is that of a workload: each has one.
func (w workload) container() corev1.Container { return w.pod.Spec.Containers[0] }

// port returns the number of a named port, or 0.
func (w workload) port(name string) int32 {
	for _, p := range w.container().Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}
