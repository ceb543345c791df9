package kube

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	kjson "sigs.k8s.io/json"

	"github.com/slotwright/slotwright/spec"
)

// template is the template of the pods of a zone: ours, with the topology's
// podTemplate merged into it the way kubectl patch does, and the hash of both.
func template(t spec.Topology, zone string) (*corev1.PodTemplateSpec, error) {
	ours := podTemplate(t, zone)
	if err := resources(t, ours); err != nil {
		return nil, err
	}
	out, err := merged(t, ours)
	if err != nil {
		return nil, err
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	maps.Copy(out.Labels, ours.Labels) // selectors depend on them
	if out.Spec.TerminationGracePeriodSeconds == nil {
		out.Spec.TerminationGracePeriodSeconds = ours.Spec.TerminationGracePeriodSeconds
	}
	tellGrace(out)
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	if out.Annotations == nil {
		out.Annotations = map[string]string{}
	}
	out.Annotations[templateMark] = fmt.Sprintf("%x", sha256.Sum256(text))[:16]
	return out, nil
}

// tellGrace tells the server's container how long it may take to leave, whatever
// people's template says of that: the API server refuses two variables of one name.
func tellGrace(pod *corev1.PodTemplateSpec) {
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == container {
			c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == secondsLeft })
			c.Env = append(c.Env, corev1.EnvVar{Name: secondsLeft, Value: strconv.FormatInt(*pod.Spec.TerminationGracePeriodSeconds, 10)})
		}
	}
}

// resources are those of the server's container.
func resources(t spec.Topology, pod *corev1.PodTemplateSpec) error {
	in := t.Platform.Kubernetes.Resources
	if in == nil {
		return nil
	}
	if err := strict(in, &pod.Spec.Containers[0].Resources); err != nil {
		return fmt.Errorf("%s.resources: %w", where(t), err)
	}
	return nil
}

func merged(t spec.Topology, ours *corev1.PodTemplateSpec) (*corev1.PodTemplateSpec, error) {
	theirs := t.Platform.Kubernetes.PodTemplate
	if theirs == nil {
		return ours, nil
	}
	fail := func(err error) (*corev1.PodTemplateSpec, error) {
		return nil, fmt.Errorf("%s.podTemplate: %w", where(t), err)
	}
	if err := strict(withoutOrders(theirs), &corev1.PodTemplateSpec{}); err != nil {
		return fail(err)
	}
	patch, err := json.Marshal(theirs)
	if err != nil {
		return fail(err)
	}
	base, err := json.Marshal(ours)
	if err != nil {
		return fail(err)
	}
	text, err := strategicpatch.StrategicMergePatch(base, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return fail(err)
	}
	out := &corev1.PodTemplateSpec{}
	if err := json.Unmarshal(text, out); err != nil {
		return fail(err)
	}
	for _, c := range out.Spec.Containers {
		if c.Name == container && c.Image != "" {
			return out, nil
		}
	}
	return fail(fmt.Errorf("it removes the container %s", container))
}

// strict reads free YAML into a type of Kubernetes; a field that the type does
// not have, or writes in another case, is an error.
func strict(in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	unknown, err := kjson.UnmarshalStrict(text, out)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return errors.Join(unknown...)
}

// withoutOrders leaves out the directives of a strategic merge patch, which no
// type has: $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
func withoutOrders(in any) any {
	switch in := in.(type) {
	case map[string]any:
		out := make(map[string]any, len(in))
		for key, value := range in {
			if !strings.HasPrefix(key, "$") {
				out[key] = withoutOrders(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(in))
		for i, value := range in {
			out[i] = withoutOrders(value)
		}
		return out
	}
	return in
}

// image is the container image: as written, else the official one of the engine.
func image(t spec.Topology) string {
	name := "redis"
	if t.Engine.Name == "valkey" {
		name = "valkey/valkey"
	}
	return cmp.Or(t.Platform.Kubernetes.Image, name+":"+t.Engine.Version)
}
