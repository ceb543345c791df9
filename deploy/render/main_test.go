package main

import (
	"bufio"
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamls "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got, -update writes it anew\n%s", name, diff)
	}
}

func charted(t *testing.T, name string) string {
	t.Helper()
	text, err := render([]string{"chart", "../chart", "slotwright", "redis", "testdata/" + name + ".yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func overlay(t *testing.T, name string) string {
	t.Helper()
	text, err := render([]string{"kustomize", "../kustomize/overlays/" + name})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheChartRendersAsItDid(t *testing.T) {
	for _, name := range []string{"smallest", "everything", "namespaces"} {
		golden(t, name, charted(t, name))
	}
}

func TestTheOverlaysRenderAsTheyDid(t *testing.T) {
	for _, name := range []string{"namespaced", "cluster-wide"} {
		golden(t, "kustomize-"+name, overlay(t, name))
	}
}

func TestValuesThatAreWrongAreRefused(t *testing.T) {
	const fine = "image: i:1\nflags: {source: s}\n"
	for what, text := range map[string]string{
		"no image":                       "flags: {source: s}\n",
		"no source":                      "image: i:1\n",
		"an unknown value":               fine + "replica: 1\n",
		"a flag that the chart sets":     "image: i:1\nflags: {source: s, lease: a/b}\n",
		"a credential of two places":     fine + "credentials: {git-token-file: {secret: a, configMap: b, key: c}}\n",
		"a credential of no place":       fine + "credentials: {git-token-file: {key: c}}\n",
		"a secret where a file is meant": fine + "credentials: {git-token: {secret: a, key: c}}\n",
		"two pods with one claim":        fine + "state: {claim: c}\n",
		"containers in the pod's spec":   fine + "podSpec: {containers: []}\n",
		"the security context":           fine + "podSpec: {securityContext: {}}\n",
		"what the machine shares":        fine + "podSpec: {hostIPC: true}\n",
		"some namespaces and all":        fine + "clusterWide: true\nnamespaces: [a]\n",
	} {
		if out, err := chart("../chart", "slotwright", "redis", []byte(text)); err == nil {
			t.Errorf("%s is accepted:\n%s", what, out)
		}
	}
	if _, err := chart("../chart", "slotwright", "redis", []byte(fine)); err != nil {
		t.Error(err)
	}
}

// object is any of those that are rendered.
type object struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta   `json:"metadata"`
	Rules           []rbacv1.PolicyRule `json:"rules"`
	text            []byte
}

// objects reads manifests as strictly as the API server.
func objects(t *testing.T, text string) []object {
	t.Helper()
	var out []object
	for d := yamls.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		one, err := d.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		o := object{text: one}
		if err == nil {
			err = yaml.Unmarshal(one, &o)
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, one)
		}
		if o.Kind != "" {
			out = append(out, o)
		}
	}
}

// rights are the rules of all Roles and ClusterRoles, but of leases, by kind.
func rights(t *testing.T, text string) map[string][]rbacv1.PolicyRule {
	t.Helper()
	out := map[string][]rbacv1.PolicyRule{}
	for _, o := range objects(t, text) {
		if strings.HasSuffix(o.Kind, "Role") && !strings.HasSuffix(o.Metadata.Name, "-lease") {
			out[o.Kind] = append(out[o.Kind], o.Rules...)
		}
	}
	return out
}

// The rights themselves are held against what the platform asks of an API server
// by a test of reconcile/platform/kube.
func TestChartAndKustomizeGiveTheSameRights(t *testing.T) {
	small := rights(t, charted(t, "smallest"))
	if diff := cmp.Diff(rights(t, overlay(t, "namespaced")), small); diff != "" {
		t.Errorf("in one namespace: -kustomize +chart\n%s", diff)
	}
	wide := rights(t, charted(t, "everything"))
	wide["ClusterRole"] = slices.DeleteFunc(wide["ClusterRole"], func(r rbacv1.PolicyRule) bool { return r.Resources[0] == "servicemonitors" })
	if diff := cmp.Diff(rights(t, overlay(t, "cluster-wide")), wide); diff != "" {
		t.Errorf("everywhere: -kustomize +chart\n%s", diff)
	}
	if len(small["Role"]) == 0 || len(wide["ClusterRole"]) == 0 {
		t.Error("nothing was compared")
	}
}

func TestNobodyMayUseEveryVerbOrResource(t *testing.T) {
	for _, text := range []string{charted(t, "smallest"), charted(t, "everything"), overlay(t, "namespaced"), overlay(t, "cluster-wide")} {
		for _, o := range objects(t, text) {
			for _, r := range o.Rules {
				if all := slices.Concat(r.Verbs, r.Resources, r.APIGroups); slices.Contains(all, "*") {
					t.Errorf("%s %s has %v", o.Kind, o.Metadata.Name, all)
				}
			}
		}
	}
}

// The restricted level of the Pod Security Standards: "Pod Security Standards" in
// Kubernetes' documentation.
func TestTheDaemonsPodIsRestricted(t *testing.T) {
	for name, text := range map[string]string{"chart": charted(t, "everything"), "kustomize": overlay(t, "namespaced")} {
		pod := deployment(t, text).Spec.Template.Spec
		c := pod.Containers[0]
		var wrong []string
		for what, fine := range map[string]bool{
			"may be root":                   *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65532,
			"has no seccomp profile":        pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
			"may get more rights":           !*c.SecurityContext.AllowPrivilegeEscalation,
			"may write its root":            *c.SecurityContext.ReadOnlyRootFilesystem,
			"keeps capabilities":            slices.Equal(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}),
			"learns of services":            !*pod.EnableServiceLinks,
			"is of the host":                !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
			"gets secrets in its variables": !strings.Contains(text, "secretKeyRef"),
		} {
			if !fine {
				wrong = append(wrong, what)
			}
		}
		if len(wrong) > 0 {
			t.Errorf("%s: the pod %s", name, strings.Join(wrong, ", "))
		}
	}
}

func deployment(t *testing.T, text string) *appsv1.Deployment {
	t.Helper()
	for _, o := range objects(t, text) {
		if o.Kind == "Deployment" {
			out := &appsv1.Deployment{}
			if err := yaml.UnmarshalStrict(o.text, out); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatal("there is no Deployment")
	return nil
}
