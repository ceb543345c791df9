package bed

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func example(t *testing.T) Bed {
	t.Helper()
	return Bed{Dir: t.TempDir(), Group: "testbed-0", Assets: "/assets", Nodes: Spread(2, []string{"a", "b"}), Host: Host}
}

func TestNodesAreSpreadOverTheZonesInTurn(t *testing.T) {
	got := Spread(4, []string{"a", "b", "c"})
	want := []Node{{"k1", "a"}, {"k2", "b"}, {"k3", "c"}, {"k4", "a"}}
	if !reflect.DeepEqual(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	b := example(t)
	if _, err := Open(b.Dir); err == nil || !strings.Contains(err.Error(), "there is no testbed in "+b.Dir) {
		t.Errorf("an empty directory: %v", err)
	}
	if err := b.save(); err != nil {
		t.Fatal(err)
	}
	got, err := Open(b.Dir)
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Error(cmp.Diff(b, got), err)
	}
	for name, text := range map[string]string{
		"half a record":        "{",
		"one without a group":  `{"dir": "` + b.Dir + `"}`,
		"another group":        `{"dir": "` + b.Dir + `", "group": "user.slice"}`,
		"one of another place": `{"dir": "/elsewhere", "group": "testbed-0"}`,
	} {
		if err := os.WriteFile(b.path(record), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(b.Dir); err == nil || !strings.Contains(err.Error(), record) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The number of a process may have become another's since it was written.
func TestAProcessThatIsNotOfTheTestbedIsNotTakenForItsSupervisor(t *testing.T) {
	b := example(t)
	b.Pid = os.Getpid()
	if err := b.supervised(); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("this test passes for a supervisor: %v", err)
	}
	if err := b.Order(context.Background(), "node", "stop", "k1"); err == nil {
		t.Error("an order to nobody passes")
	}
}

func TestDirectoriesThatNodesCoverAreRefused(t *testing.T) {
	for dir, fits := range map[string]bool{"/run/bed": false, "/var/lib": false, "/var/log/x/y": false, t.TempDir(): true, "/var/library": true} {
		if err := unfit(dir); (err == nil) != fits {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestAllThatIsMissingIsToldAtOnce(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b := example(t)
	err := b.lacks()
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, what := range []string{"containerd is not installed", "runc is not installed", "/assets/kubelet is missing"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q is not in:\n%v", what, err)
		}
	}
}

func TestASecondTestbedInOneDirectoryIsRefused(t *testing.T) {
	b := example(t)
	if err := b.save(); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(context.Background(), b, "/nowhere/serve"); err == nil || !strings.Contains(err.Error(), "there is a testbed in") {
		t.Errorf("error %v", err)
	}
}

func TestClearingRemovesTheRecordLastAndKeepsLogsWhenAsked(t *testing.T) {
	for _, keep := range []bool{false, true} {
		b := example(t)
		if err := b.save(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"log", "k1/lib", "etcd"} {
			if err := os.MkdirAll(b.path(dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.clear(keep); err != nil {
			t.Fatal(err)
		}
		left, _ := filepath.Glob(b.Dir + "/*")
		if keep && (len(left) != 1 || left[0] != b.path("log")) || !keep && exists(b.Dir) {
			t.Errorf("keep %t: left %v", keep, left)
		}
	}
}

func TestCopiedSettingsHaveTheValuesOfTheKernel(t *testing.T) {
	dir := t.TempDir()
	if err := copySettings(dir); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "vm", "overcommit_memory"))
	if string(got) != string(want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatAnEngineRunsIsFoundInItsTree(t *testing.T) {
	b := example(t)
	if err := os.MkdirAll(b.path("images"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := b.packImage("redis:7.0"); err == nil || !strings.Contains(err.Error(), "NAME=PATH") {
		t.Errorf("an image without a path: %v", err)
	}
	if _, err := b.packImage("redis:7.0=/nowhere"); err == nil || !strings.Contains(err.Error(), "redis:7.0") {
		t.Errorf("an image of nothing: %v", err)
	}
	archive, err := b.packImage("team/tool:1=" + os.Args[0])
	if err != nil || !exists(archive) {
		t.Errorf("%s: %v", archive, err)
	}
}

func TestTheConfigurationOfAKubeletIsYAMLWithItsOwnGroup(t *testing.T) {
	b := example(t)
	var config map[string]any
	if err := yaml.UnmarshalStrict([]byte(kubeletConfig(b, "testbed-0/k1", "10.245.0.1", "/resolv.conf")), &config); err != nil {
		t.Fatal(err)
	}
	if config["cgroupRoot"] != "/testbed-0/k1" || config["address"] != "10.245.0.1" {
		t.Errorf("%v", config)
	}
}

func TestANodeIsReadyOnceNothingKeepsPodsOffIt(t *testing.T) {
	condition := []core.NodeCondition{{Type: core.NodeMemoryPressure, Status: core.ConditionFalse}, {Type: core.NodeReady, Status: core.ConditionTrue}}
	taint := []core.Taint{{Key: core.TaintNodeNotReady}}
	for name, c := range map[string]struct {
		node core.Node
		want bool
	}{
		"new":             {core.Node{}, false},
		"still tainted":   {core.Node{Spec: core.NodeSpec{Taints: taint}, Status: core.NodeStatus{Conditions: condition}}, false},
		"ready":           {core.Node{Status: core.NodeStatus{Conditions: condition}}, true},
		"known not to be": {core.Node{Status: core.NodeStatus{Conditions: []core.NodeCondition{{Type: core.NodeReady, Status: core.ConditionUnknown}}}}, false},
	} {
		if got := isReady(&c.node); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
