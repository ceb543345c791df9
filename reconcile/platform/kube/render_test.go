package kube

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/slotwright/slotwright/spec"
)

var update = flag.Bool("update", false, "rewrite the rendered objects in testdata")

// load reads the one topology of a file in testdata.
func load(t testing.TB, name string) spec.Topology {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := spec.Load([]spec.Source{{Name: name + ".yaml", Data: text}})
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	return all[0]
}

func TestTopologiesRenderToTheseObjects(t *testing.T) {
	for _, name := range []string{"plain", "everything"} {
		set, err := render(load(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		for _, o := range set {
			if data, ok := o.Object["data"].(map[string]any); ok { // the scripts are files of their own
				maps.DeleteFunc(data, func(file string, _ any) bool { return strings.HasSuffix(file, ".sh") })
			}
			text, err := yaml.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString("---\n")
			got.Write(text)
		}
		golden := filepath.Join("testdata", name+".objects.yaml")
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestNothingSecretIsInTheObjects(t *testing.T) {
	set, err := render(load(t, "everything"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range set {
		text, _ := json.Marshal(o.Object)
		for _, word := range []string{"requirepass ", "masterauth "} {
			if o.resource != configMaps && strings.Contains(string(text), word) {
				t.Errorf("%s holds %s", o, word)
			}
		}
	}
	if conf := redisConf(load(t, "everything"), &corev1.PodTemplateSpec{}); strings.Contains(conf, "requirepass") || strings.Contains(conf, "masterauth") {
		t.Errorf("redis.conf names a password:\n%s", conf)
	}
}

func TestTheScriptsAreShell(t *testing.T) {
	for _, name := range []string{"cli.sh", "start.sh", "ready.sh", "renew.sh", "leave.sh"} {
		if out, err := exec.Command("sh", "-n", filepath.Join("scripts", name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Without its label what slotwright made would be somebody else's to it.
func TestLabelsOfAServiceMonitorLeaveItOurs(t *testing.T) {
	topology := load(t, "plain")
	topology.Platform.Kubernetes.ServiceMonitor = &spec.ServiceMonitor{Port: "metrics", Labels: map[string]string{clusterLabel: "all", "release": "prometheus"}}
	p, err := New(topology, &Client{})
	if err != nil {
		t.Fatal(err)
	}
	made := p.of(serviceMonitors)[0]
	if !p.ours(made.Unstructured) || made.GetLabels()["release"] != "prometheus" {
		t.Errorf("labels %v", made.GetLabels())
	}
}

func TestATemplateThatIsNoneIsAMistakeOfTheTopology(t *testing.T) {
	for name, wrong := range map[string]struct {
		template, resources map[string]any
		want                string
	}{
		"an unknown field": {
			template: map[string]any{"spec": map[string]any{"tolerationz": []any{}}},
			want:     `plain.yaml:1: spec.platform.kubernetes.podTemplate: unknown field "spec.tolerationz"`,
		},
		"a field in another case": { // it was ignored
			template: map[string]any{"spec": map[string]any{"Containers": []any{map[string]any{"name": "redis", "image": "redis:8.0"}}}},
			want:     `podTemplate: unknown field "spec.Containers"`,
		},
		"a value of another kind": {
			template: map[string]any{"spec": map[string]any{"priorityClassName": 1}}, want: "podTemplate: ",
		},
		"the server removed": {
			template: map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "redis", "$patch": "delete"}}}},
			want:     "it removes the container redis",
		},
		"a quantity that is none": {
			resources: map[string]any{"limits": map[string]any{"memory": "lots"}}, want: "spec.platform.kubernetes.resources: ",
		},
	} {
		topology := load(t, "plain")
		topology.Platform.Kubernetes.PodTemplate = wrong.template
		topology.Platform.Kubernetes.Resources = wrong.resources
		if err := Check(topology); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%s: %v, want %q", name, err, wrong.want)
		}
	}
}

func TestATemplateThatReplacesOursStillHasTheLabelsAndTheTimeToLeave(t *testing.T) {
	pod := map[string]any{"$patch": "replace", "containers": []any{map[string]any{"name": "redis", "image": "redis:7.0"}}}
	for name, theirs := range map[string]map[string]any{
		"no labels":       {"metadata": map[string]any{"$patch": "replace", "annotations": map[string]any{"a": "b"}}},
		"no grace period": {"spec": pod},
	} {
		topology := load(t, "plain")
		topology.Platform.Kubernetes.PodTemplate = theirs
		out, err := template(topology, "a")
		if err != nil || out.Labels[clusterLabel] != "orders" || *out.Spec.TerminationGracePeriodSeconds != grace {
			t.Errorf("%s: %v, %+v", name, err, out)
		}
	}
}

func TestAPodIsToldItsGracePeriodOnce(t *testing.T) {
	topology := load(t, "plain")
	server := map[string]any{"name": "redis", "env": []any{map[string]any{"name": secondsLeft, "value": "5"}}}
	topology.Platform.Kubernetes.PodTemplate = map[string]any{"spec": map[string]any{"containers": []any{server}}}
	out, err := template(topology, "a")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range out.Spec.Containers[0].Env {
		if e.Name == secondsLeft {
			told = append(told, e.Value)
		}
	}
	if !slices.Equal(told, []string{"60"}) {
		t.Errorf("told %v", told)
	}
}

func TestOnlyTheTemplateOfPodsMarksThem(t *testing.T) {
	mark := func(change func(*spec.Topology)) string {
		topology := load(t, "plain")
		change(&topology)
		set, err := render(topology)
		if err != nil {
			t.Fatal(err)
		}
		return markOf(set[len(set)-1])
	}
	same := mark(func(*spec.Topology) {})
	if same == "" {
		t.Fatal("no mark")
	}
	for name, change := range map[string]func(*spec.Topology){
		"a directive":     func(t *spec.Topology) { t.Config = map[string]string{"maxmemory": "1gb"} },
		"more masters":    func(t *spec.Topology) { t.Masters++ },
		"a larger volume": func(t *spec.Topology) { t.Platform.Kubernetes.Storage.Size = "9Gi" },
	} {
		if mark(change) != same {
			t.Errorf("%s would restart every pod", name)
		}
	}
	if mark(func(t *spec.Topology) { t.Platform.Kubernetes.Image = "redis:8.0" }) == same {
		t.Error("another image leaves the pods as they are")
	}
}

func TestSeatsKeepTheirNamesInASmallerFile(t *testing.T) {
	small, large := load(t, "plain"), load(t, "plain")
	large.Masters++
	names := map[string]bool{}
	for _, s := range seats(large) {
		names[s.pod] = true
	}
	for _, s := range seats(small) {
		if !names[s.pod] {
			t.Errorf("%s is in the small cluster only", s.pod)
		}
		delete(names, s.pod)
	}
	if want := map[string]bool{"orders-a-2": true, "orders-b-2": true}; !maps.Equal(names, want) {
		t.Errorf("the larger one has %v, want %v", names, want)
	}
}
