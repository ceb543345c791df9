package spec

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slotwright/slotwright/spec/slot"
)

// place is where a topology was written, which Format doesn't keep.
var place = cmpopts.IgnoreFields(Topology{}, "File", "Line")

func TestFormatWritesWhatAPersonWould(t *testing.T) {
	const want = `apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata:
  name: orders
spec:
  masters: 3
  replicasPerMaster: 0
  zones: [a, "no"]
  platform:
    static:
      nodes:
        - {name: n0, address: "10.0.0.1:6379", zone: a}
        - {name: n1, address: "[2001:db8::1]:6379", zone: "no"}
  engine: {name: redis, version: "7.2"}
  config:
    maxmemory: 2gb
    save: ""
  auth:
    password: {env: PASSWORD}
`
	got, err := Format(Topology{
		Name: "orders", Masters: 3, Zones: []string{"a", "no"}, ZoneSpread: Required,
		Platform: Platform{Static: &Static{Nodes: []StaticNode{
			{Name: "n0", Address: "10.0.0.1:6379", Zone: "a"},
			{Name: "n1", Address: "[2001:db8::1]:6379", Zone: "no"},
		}}},
		Engine:   Engine{Name: "redis", Version: "7.2"},
		Slots:    Slots{Tolerance: 0.02},
		Config:   map[string]string{"maxmemory": "2gb", "save": ""},
		Auth:     &Auth{Username: "default", Password: Secret{Env: "PASSWORD"}},
		Failback: true, State: Present,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestWhatIsFormattedIsReadBackTheSame(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		want := anyTopology(r)
		text, err := Format(want)
		if err != nil {
			t.Fatalf("seed %d: %v\n%+v", seed, err, want)
		}
		got, err := Load([]Source{{Data: text}})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if diff := cmp.Diff([]Topology{want}, got, place); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s\n%s", seed, diff, text)
		}
	}
}

func TestFormatRefusesWhatLoadWouldRefuse(t *testing.T) {
	good := func() Topology {
		return Topology{Name: "orders", Masters: 3, Platform: Platform{Local: &Local{BasePort: 7000}}, State: Present}
	}
	for name, spoil := range map[string]func(*Topology){
		"spec.masters is 0":             func(t *Topology) { t.Masters = 0 },
		"names 0 platforms":             func(t *Topology) { t.Platform = Platform{} },
		"line break":                    func(t *Topology) { t.Config = map[string]string{"maxmemory": "1gb\nport 1"} },
		"can't set requirepass":         func(t *Topology) { t.Config = map[string]string{"requirepass": "x"} },
		"needs platform kubernetes":     func(t *Topology) { t.TLS = &TLS{Secret: "s"} },
		"not a share":                   func(t *Topology) { t.Slots.Tolerance = 1001 },
		"is not a name":                 func(t *Topology) { t.Name = "Orders" },
		"read back as another topology": func(t *Topology) { t.Allow.DataLoss = &slot.Set{} },
	} {
		bad := good()
		spoil(&bad)
		if text, err := Format(bad); err == nil || !strings.Contains(err.Error(), name) || text != nil {
			t.Errorf("want an error with %q, got %v\n%s", name, err, text)
		}
	}
	if _, err := Format(good()); err != nil {
		t.Errorf("the unspoilt one: %v", err)
	}
}

// anyTopology is a random one that breaks no rule.
func anyTopology(r *rand.Rand) Topology {
	t := Topology{
		Name:    pick(r, "orders", "a", "1", "no", "x-9", strings.Repeat("z", 63)),
		Masters: 1 + r.IntN(9), ReplicasPerMaster: r.IntN(3),
		ZoneSpread: pick(r, Required, Preferred, Off),
		Slots:      Slots{Tolerance: pick(r, 0.02, 0, 1, float64(r.IntN(10001))/10000)},
		Migration:  Migration{MaxLatency: pick(r, defaultMaxLatency, 1, time.Hour, time.Duration(1+r.Int64N(int64(time.Minute))))},
		Failback:   r.IntN(2) == 0,
		Suspend:    r.IntN(2) == 0,
		State:      pick(r, Present, Absent),
		Engine:     pick(r, Engine{}, Engine{Name: "redis"}, Engine{Name: "valkey", Version: "9.1"}, Engine{Name: "redis", Version: "8"}),
		Config:     pick(r, nil, map[string]string{"maxmemory": "2gb", "save": pick(r, "", "900 1", "#x", "*", "yes", " ", "é: \"'\\")}),
	}
	if r.IntN(2) == 0 {
		t.Zones = []string{"a", "n", "0x1", "1e3"}[:1+r.IntN(4)]
		t.Slots.Weights = pick(r, nil, map[string]int{"a": 1 + r.IntN(maxWeight)})
	}
	somePlatform(r, &t)
	somePermissions(r, &t)
	return t
}

func somePlatform(r *rand.Rand, t *Topology) {
	secret := pick(r, Secret{Env: "PASSWORD"}, Secret{File: "~/no"}, Secret{File: "123"})
	tls := &TLS{CAFile: "ca.crt", CertFile: "null", KeyFile: "a b"}
	switch r.IntN(3) {
	case 0:
		t.Platform.Local = pick(r, &Local{BasePort: 7000}, &Local{BasePort: 1, Directory: ".", Server: "valkey-server"})
	case 1:
		t.Platform.Static = &Static{}
		for i := range 1 + r.IntN(5) {
			n := StaticNode{Name: fmt.Sprintf("n%d", i), Address: pick(r, "[2001:db8::%d]:1", "10.0.0.%d:65535", "h%d:6379")}
			n.Address = fmt.Sprintf(n.Address, i+1)
			if len(t.Zones) > 0 {
				n.Zone = pick(r, t.Zones...)
			}
			t.Platform.Static.Nodes = append(t.Platform.Static.Nodes, n)
		}
	default:
		secret, tls = somePods(r, t, secret, tls)
	}
	if r.IntN(2) == 0 {
		t.Auth = &Auth{Username: pick(r, "default", "on", "me & you"), Password: secret}
	}
	if r.IntN(2) == 0 {
		t.TLS = tls
	}
}

// somePods puts t on Kubernetes, with StatefulSets of its own or an adopted one,
// and says where its secrets can be.
func somePods(r *rand.Rand, t *Topology, secret Secret, tls *TLS) (Secret, *TLS) {
	if r.IntN(3) == 0 {
		t.Platform.Kubernetes = &Kubernetes{Namespace: "data", Adopt: &Adopt{StatefulSet: "redis.old"}}
		return pick(r, secret, Secret{SecretName: "s", SecretKey: ".k"}), pick(r, tls, &TLS{Secret: "s"})
	}
	t.Name = "k" + t.Name[:min(len(t.Name), 39)] // a letter first, as a Service's name
	if len(t.Zones) == 0 {
		t.Zones = []string{"eu-1a"}
	}
	t.Platform.Kubernetes = &Kubernetes{Namespace: "data", Image: "redis@sha256:00",
		Storage: pick(r, Storage{}, Storage{Size: "1Gi", WhenScaled: Retain, WhenDeleted: Delete},
			Storage{Size: "1.5T", StorageClassName: "a.b", WhenScaled: Delete, WhenDeleted: Retain}),
		Resources:      pick(r, nil, map[string]any{"limits": map[string]any{"cpu": pick[any](r, 1.0, 0.5, "1", "500m")}, "claims": []any{}}),
		PodTemplate:    pick(r, nil, map[string]any{"spec": map[string]any{"hostNetwork": true, "serviceAccountName": "redis"}}),
		NetworkPolicy:  r.IntN(2) == 0,
		ServiceMonitor: pick(r, nil, &ServiceMonitor{Port: "metrics"}, &ServiceMonitor{Port: "m", Labels: map[string]string{"a": "on"}}),
	}
	return Secret{SecretName: "s", SecretKey: ".k"}, &TLS{Secret: "s"}
}

func somePermissions(r *rand.Rand, t *Topology) {
	if r.IntN(2) == 0 {
		n := 1 + r.IntN(9)
		t.Allow.ShrinkTo = &n
	}
	if r.IntN(2) == 0 {
		t.Allow.DataLoss = &slot.Set{}
		for range 1 + r.IntN(50) {
			t.Allow.DataLoss.Add(r.IntN(slot.Count))
		}
	}
	t.Allow.Delete = pick(r, "", t.Name)
	t.Allow.Plan = pick(r, "", "sha256:"+strings.Repeat("0a", 32))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
