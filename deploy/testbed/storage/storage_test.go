package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func ask(class, node string) controller.ProvisionOptions {
	options := controller.ProvisionOptions{PVName: "pvc-1", SelectedNodeName: node, PVC: &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Name: "data-0"},
		Spec: core.PersistentVolumeClaimSpec{
			AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources:   core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}}
	for _, c := range Classes() {
		if c.Name == class {
			options.StorageClass = &c
		}
	}
	return options
}

func provisioner(t *testing.T) directories {
	node := core.Node{ObjectMeta: meta.ObjectMeta{Name: "k2", Labels: map[string]string{core.LabelTopologyZone: "b", core.LabelHostname: "k2"}}}
	bare := core.Node{ObjectMeta: meta.ObjectMeta{Name: "bare"}}
	return directories{fake.NewClientset(&node, &bare), filepath.Join(t.TempDir(), "volumes")}
}

func TestAVolumeIsBoundToThePlaceItsClassNames(t *testing.T) {
	for class, want := range map[string][2]string{Zonal: {core.LabelTopologyZone, "b"}, Host: {core.LabelHostname, "k2"}} {
		d := provisioner(t)
		volume, state, err := d.Provision(context.Background(), ask(class, "k2"))
		if err != nil || state != controller.ProvisioningFinished {
			t.Fatal(state, err)
		}
		place := volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
		if place.Key != want[0] || len(place.Values) != 1 || place.Values[0] != want[1] {
			t.Errorf("%s: bound to %v", class, place)
		}
		if size := volume.Spec.Capacity[core.ResourceStorage]; size.String() != "1Gi" {
			t.Errorf("%s: size %s", class, size.String())
		}
		if info, err := os.Stat(volume.Spec.Local.Path); err != nil || !info.IsDir() {
			t.Errorf("%s: directory: %v", class, err)
		}
	}
}

func TestAReleasedVolumeIsRemovedAndNoOther(t *testing.T) {
	d := provisioner(t)
	volume, _, err := d.Provision(context.Background(), ask(Zonal, "k2"))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(d.below, "pvc-2")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(context.Background(), volume); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(volume.Spec.Local.Path); !os.IsNotExist(err) {
		t.Errorf("released, and there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestAClaimWithoutAPlaceIsRefusedWithTheReason(t *testing.T) {
	for node, reason := range map[string]string{"": "no node was selected", "bare": "has no label", "gone": "not found"} {
		_, _, err := provisioner(t).Provision(context.Background(), ask(Zonal, node))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("node %q: %v", node, err)
		}
	}
}

func TestOneClassIsTheDefaultAndAllWaitForTheirPod(t *testing.T) {
	defaults := 0
	for _, class := range Classes() {
		if class.Annotations[defaultClass] == "true" {
			defaults++
		}
		if *class.VolumeBindingMode != "WaitForFirstConsumer" {
			t.Errorf("%s binds %s", class.Name, *class.VolumeBindingMode)
		}
	}
	if defaults != 1 {
		t.Errorf("%d default classes", defaults)
	}
}
