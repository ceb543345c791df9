package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Secret reads a Secret in the namespace of the cluster. An error names the
// place, never what is in it.
func (p *Platform) Secret(name string) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	found, err := p.api.get(ctx, secrets, name)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("there is no Secret %s in namespace %s", name, p.api.namespace)
	}
	out := corev1.Secret{}
	if typed(found, &out) != nil {
		return nil, fmt.Errorf("the Secret %s can't be read", name)
	}
	return out.Data, nil
}
