package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slotwright/slotwright/spec/slot"
)

func lost(t *testing.T, text string) *slot.Set {
	t.Helper()
	s, err := slot.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func mustLoad(t *testing.T, paths ...string) []Topology {
	t.Helper()
	sources, err := Read(paths, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryKeyOfAnInventoryArrives(t *testing.T) {
	const file = "testdata/right/static.yaml"
	two := 2
	want := []Topology{{
		Name: "orders", Masters: 2, ReplicasPerMaster: 1,
		Zones: []string{"a", "b", "c"}, ZoneSpread: Preferred,
		Platform: Platform{Static: &Static{Nodes: []StaticNode{
			{Name: "n0", Address: "10.0.0.1:6379", Zone: "a"},
			{Name: "n1.example", Address: "[2001:db8::1]:6379", Zone: "b"},
			{Name: "n2", Address: "redis-2.example:6379", Zone: "c"},
			{Name: "n3", Address: "redis_3:6379", Zone: "a"},
		}}},
		Engine:    Engine{Name: "valkey", Version: "8.1"},
		Slots:     Slots{Tolerance: 0.005, Weights: map[string]int{"a": 1, "b": 2}},
		Config:    map[string]string{"maxmemory": "2gb", "hz": "20", "save": "", "appendonly": "yes"},
		Auth:      &Auth{Username: "mover", Password: Secret{File: "secrets/password"}},
		TLS:       &TLS{CAFile: "ca.crt", CertFile: "/etc/tls.crt", KeyFile: "tls.key"},
		Migration: Migration{MaxLatency: 5 * time.Millisecond},
		Allow:     Allow{ShrinkTo: &two, DataLoss: lost(t, "0-10,12"), Delete: "orders", Forget: []string{"n9"}, Plan: "sha256:" + strings.Repeat("0a", 32)},
		Suspend:   true,
		State:     Absent,
		File:      file, Line: 2,
	}}
	got := mustLoad(t, file)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := got[0].Path("ca.crt"); got != filepath.Join("testdata", "right", "ca.crt") {
		t.Errorf("ca.crt is looked for at %s", got)
	}
	if got := got[0].Path("/etc/tls.crt"); got != "/etc/tls.crt" {
		t.Errorf("/etc/tls.crt is looked for at %s", got)
	}
}

func TestWhatIsNotWrittenHasItsDefault(t *testing.T) {
	const file = "testdata/right/local.yaml"
	bare := Topology{
		Name: "bare", Masters: 3, ZoneSpread: Off,
		Platform:  Platform{Local: &Local{BasePort: 7000}},
		Slots:     Slots{Tolerance: 0.02},
		Migration: Migration{MaxLatency: 20 * time.Millisecond},
		Failback:  true, State: Present, File: file, Line: 1,
	}
	zoned := bare
	zoned.Name, zoned.ReplicasPerMaster, zoned.Line = "zoned", 1, 10
	zoned.Zones, zoned.ZoneSpread = []string{"1", "2"}, Required
	zoned.Platform = Platform{Local: &Local{Directory: "./data", BasePort: 8000, Server: "valkey-server"}}
	zoned.Auth = &Auth{Username: "default", Password: Secret{Env: "REDIS_PASSWORD"}}
	if diff := cmp.Diff([]Topology{bare, zoned}, mustLoad(t, file)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestKubernetesKeepsItsResourcesAsTheyAre(t *testing.T) {
	got := mustLoad(t, "testdata/right/kubernetes.yml")[0]
	want := &Kubernetes{
		Namespace: "data", Image: "registry.example:5000/redis:7.2",
		Storage: Storage{Size: "20Gi", StorageClassName: "fast", WhenScaled: Delete, WhenDeleted: Retain},
		Resources: map[string]any{
			"requests": map[string]any{"cpu": 1.0, "memory": "1Gi"},
			"limits":   map[string]any{"cpu": 1.5, "memory": "2Gi"},
			"more":     map[string]any{"quoted": []any{"true", "1", "~"}, "plain": []any{true, 1.0, -2.5}},
			"claims":   []any{},
		},
		PodTemplate: map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"team": "yes"}},
			"spec": map[string]any{
				"priorityClassName": "high",
				"tolerations":       []any{map[string]any{"key": "data", "operator": "Exists"}},
			},
		},
		NetworkPolicy:  true,
		ServiceMonitor: &ServiceMonitor{Port: "metrics", Labels: map[string]string{"release": "prometheus"}},
	}
	if diff := cmp.Diff(want, got.Platform.Kubernetes); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if want := (Secret{SecretName: "redis", SecretKey: "password"}); got.Auth.Password != want {
		t.Errorf("the password is looked for at %+v", got.Auth.Password)
	}
	if got.TLS.Secret != "redis-tls" {
		t.Errorf("tls is %+v", got.TLS)
	}
}

func TestAnAdoptedStatefulSetNeedsNoZonesAndNoSecrets(t *testing.T) {
	got := mustLoad(t, "testdata/right/kubernetes.yml")[1]
	want := &Kubernetes{Namespace: "data", Adopt: &Adopt{StatefulSet: "redis-cluster"}}
	if diff := cmp.Diff(want, got.Platform.Kubernetes); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(got.Zones) != 0 || got.Auth.Password.Env != "REDIS_PASSWORD" {
		t.Errorf("zones %v, auth %+v", got.Zones, got.Auth)
	}
}

func TestEveryExampleLoads(t *testing.T) {
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	deeper, err := filepath.Glob("../examples/*/*/*.yaml")
	if err != nil || len(deeper) == 0 {
		t.Fatalf("no examples of repositories: %v", err)
	}
	for _, file := range append(files, deeper...) {
		if len(mustLoad(t, file)) == 0 {
			t.Errorf("%s: nothing", file)
		}
	}
}

func TestADirectoryIsReadToItsGround(t *testing.T) {
	var names []string
	for _, topology := range mustLoad(t, "testdata/right") {
		names = append(names, topology.Name)
	}
	if diff := cmp.Diff([]string{"sessions", "taken-over", "bare", "zoned", "orders"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestStdinIsASource(t *testing.T) {
	data, err := os.ReadFile("testdata/right/local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := Read([]string{"-"}, strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(sources)
	if err != nil || len(all) != 2 || all[0].File != Stdin || all[0].Path("a") != "a" {
		t.Errorf("got %+v, %v", all, err)
	}
}

func BenchmarkLoadAThousandNodes(b *testing.B) {
	t := Topology{Name: "big", Masters: 500, ReplicasPerMaster: 1, Platform: Platform{Static: &Static{}}, State: Present}
	for i := range maxNodes {
		n := StaticNode{Name: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("10.0.%d.%d:6379", i/250, 1+i%250), Zone: string(rune('a' + i%3))}
		t.Platform.Static.Nodes = append(t.Platform.Static.Nodes, n)
	}
	text, err := Format(t)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load([]Source{{Name: "big.yaml", Data: text}}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOffNeedsNoQuotesAndFalseIsNotOff(t *testing.T) {
	const text = "apiVersion: slotwright/v1alpha1\nkind: RedisCluster\nmetadata: {name: bare}\n" +
		"spec: {masters: 3, replicasPerMaster: 0, zoneSpread: %s, zones: [a], platform: {kubernetes: {namespace: data, image: x}}}\n"
	got, err := Load([]Source{{Name: "f.yaml", Data: fmt.Appendf(nil, text, "Off")}})
	if err != nil || got[0].ZoneSpread != Off {
		t.Errorf("Off: %v, %v", got, err)
	}
	for _, word := range []string{"off", "OFF", "false", "no"} {
		if _, err := Load([]Source{{Name: "f.yaml", Data: fmt.Appendf(nil, text, word)}}); err == nil {
			t.Errorf("%s was taken", word)
		}
	}
}
