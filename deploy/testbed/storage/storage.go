// Package storage gives claims a directory of this machine as their volume,
// bound to a zone or to a node the way a disk of a cloud or of a host is.
// Binding, retention and protection are the real controllers' work.
package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	core "k8s.io/api/core/v1"
	storageapi "k8s.io/api/storage/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner in storage classes.
const Name = "testbed/directory"

// The storage classes. A volume of Zonal can be used by any node of the zone
// it was made in, one of Host by one node only.
const (
	Zonal = "zonal"
	Host  = "host"
)

// defaultClass marks the class of claims that name none.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// topologyKey is the parameter that names the label of nodes a volume is bound to.
const topologyKey = "topology"

// Classes are the storage classes of the testbed; Zonal is the default.
func Classes() []storageapi.StorageClass {
	class := func(name, label string) storageapi.StorageClass {
		reclaim, wait := core.PersistentVolumeReclaimDelete, storageapi.VolumeBindingWaitForFirstConsumer
		return storageapi.StorageClass{
			ObjectMeta:  meta.ObjectMeta{Name: name},
			Provisioner: Name, ReclaimPolicy: &reclaim, VolumeBindingMode: &wait,
			Parameters: map[string]string{topologyKey: label},
		}
	}
	zonal := class(Zonal, core.LabelTopologyZone)
	zonal.Annotations = map[string]string{defaultClass: "true"}
	return []storageapi.StorageClass{zonal, class(Host, core.LabelHostname)}
}

// Serve makes and removes volumes below the directory until the context ends.
func Serve(ctx context.Context, client kubernetes.Interface, directory string) {
	controller.NewProvisionController(ctx, client, Name, directories{client, directory},
		controller.LeaderElection(false), controller.MetricsPort(0)).Run(ctx)
}

// directories makes volumes below one directory.
type directories struct {
	client kubernetes.Interface
	below  string
}

// Provision makes a directory, and a volume of it that only nodes of the place
// can use which the scheduler chose.
func (d directories) Provision(ctx context.Context, ask controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	volume, err := d.provision(ctx, ask)
	return volume, controller.ProvisioningFinished, err
}

func (d directories) provision(ctx context.Context, ask controller.ProvisionOptions) (*core.PersistentVolume, error) {
	if ask.SelectedNodeName == "" {
		return nil, fmt.Errorf("claim %s: no node was selected; its storage class must wait for the first consumer", ask.PVC.Name)
	}
	node, err := d.client.CoreV1().Nodes().Get(ctx, ask.SelectedNodeName, meta.GetOptions{})
	if err != nil {
		return nil, err
	}
	label := ask.StorageClass.Parameters[topologyKey]
	place, ok := node.Labels[label]
	if !ok {
		return nil, fmt.Errorf("node %s has no label %q", node.Name, label)
	}
	path := filepath.Join(d.below, ask.PVName)
	//nolint:gosec // like the root of a fresh disk: pods that are not root enter it, and own it by their fsGroup
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: ask.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *ask.StorageClass.ReclaimPolicy,
			AccessModes:                   ask.PVC.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: ask.PVC.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource:        core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity:                  onlyWhere(label, place),
		},
	}, nil
}

func onlyWhere(label, place string) *core.VolumeNodeAffinity {
	return &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
		MatchExpressions: []core.NodeSelectorRequirement{{Key: label, Operator: core.NodeSelectorOpIn, Values: []string{place}}},
	}}}}
}

// Delete removes the directory of a volume that was released.
func (d directories) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return os.RemoveAll(filepath.Join(d.below, volume.Name))
}
