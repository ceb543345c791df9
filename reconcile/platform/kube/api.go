package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
)

// api is one namespace of the API server.
type api struct {
	client    dynamic.Interface
	namespace string
}

func (a api) of(r schema.GroupVersionResource) dynamic.ResourceInterface {
	return a.client.Resource(r).Namespace(a.namespace)
}

// errUnknownKind is what the API server says of a kind whose definition nobody
// installed: the path of it is not there.
var errUnknownKind = errors.New("the API server knows no such kind")

// get reads an object; nil without an error when there is none.
func (a api) get(ctx context.Context, r schema.GroupVersionResource, name string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := a.of(r).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return nil, errUnknownKind
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", r.Resource, name, err)
	}
	return out, nil
}

// list reads all objects with the labels into out, a slice of their type.
func list[T any](ctx context.Context, a api, r schema.GroupVersionResource, labels string) ([]T, error) {
	return listWhere[T](ctx, a, r, metav1.ListOptions{LabelSelector: labels})
}

func listWhere[T any](ctx context.Context, a api, r schema.GroupVersionResource, which metav1.ListOptions) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, err := a.of(r).List(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("list %s in namespace %s: %w", r.Resource, a.namespace, err)
	}
	out := make([]T, len(found.Items))
	for i := range found.Items {
		if err := typed(&found.Items[i], &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func typed(in *unstructured.Unstructured, out any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(in.Object, out); err != nil {
		return fmt.Errorf("read %s %s: %w", in.GetKind(), in.GetName(), err)
	}
	return nil
}

// apply brings an object to what o says, and takes over its fields from whoever
// set them: they are labelled as slotwright's. A resource version in o makes it
// fail when the object changed since, be it by what was taken over.
func (a api) apply(ctx context.Context, o *object) error {
	_, err := a.patch(ctx, o)
	if apierrors.IsInvalid(err) && a.takeOver(ctx, o) {
		_, err = a.patch(ctx, o)
	}
	return err
}

// takeOver makes what others wrote in an object slotwright's own, so that to apply it
// takes away what is not wanted of it. That is needed where theirs can't stand beside
// ours, such as another kind of probe. What slotwright remembers there stays.
func (a api) takeOver(ctx context.Context, o *object) bool {
	found, err := a.get(ctx, o.resource, o.GetName())
	if err != nil || found == nil {
		return false
	}
	others := sets.New[string]()
	for _, entry := range found.GetManagedFields() {
		others.Insert(entry.Manager)
	}
	text, err := csaupgrade.UpgradeManagedFieldsPatch(found, others.Delete(manager, memory), manager)
	if err != nil || len(text) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = a.of(o.resource).Patch(ctx, o.GetName(), types.JSONPatchType, text, metav1.PatchOptions{FieldManager: manager})
	return err == nil
}

// patch applies an object, or with dryRun tells only what it would be then.
func (a api) patch(ctx context.Context, o *object, dryRun ...string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	text, err := json.Marshal(o.Unstructured)
	if err != nil {
		return nil, err
	}
	out, err := a.of(o.resource).Patch(ctx, o.GetName(), types.ApplyPatchType, text,
		metav1.PatchOptions{FieldManager: manager, Force: new(true), DryRun: dryRun})
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", o, err)
	}
	return out, nil
}

// scale sets the replicas of a StatefulSet that is as it was seen.
func (a api) scale(ctx context.Context, set, version string, replicas int) error {
	if err := a.change(ctx, set, version, fmt.Sprintf(`"replicas":%d`, replicas)); err != nil {
		return fmt.Errorf("scale StatefulSet %s to %d: %w", set, replicas, err)
	}
	return nil
}

// change sets fields in the spec of a StatefulSet that is as it was seen.
func (a api) change(ctx context.Context, set, version, fields string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	text := fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"spec":{%s}}`, version, fields)
	_, err := a.of(statefulSets).Patch(ctx, set, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager})
	return err
}

// remove deletes exactly the object that was seen. One that is gone is no error.
func (a api) remove(ctx context.Context, r schema.GroupVersionResource, name string, uid types.UID, how metav1.DeletionPropagation) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := a.of(r).Delete(ctx, name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &how,
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s %s: %w", r.Resource, name, err)
	}
	return nil
}
