package reconcile_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/slotwright/slotwright/"

// mayImport says which of our rooms each room may import directly. A room
// that is not here may import none. Arrows go one way: an import the table
// does not name is a change of design, not of code.
var mayImport = map[string][]string{
	"spec/slot":                    {},
	"spec":                         {"spec/slot"},
	"gitsync":                      {},
	"reconcile/cluster":            {"spec/slot"},
	"reconcile/plan":               {"reconcile/cluster", "spec", "spec/slot"},
	"reconcile":                    {"reconcile/plan", "reconcile/cluster", "spec", "spec/slot"},
	"reconcile/live":               {"reconcile/plan", "reconcile/cluster", "reconcile/whole", "spec", "spec/slot"},
	"reconcile/platform/static":    {"reconcile/cluster", "spec"},
	"reconcile/platform/local":     {"reconcile/cluster", "reconcile/platform/redisconf", "reconcile/whole", "spec"},
	"reconcile/platform/kube":      {"reconcile/cluster", "reconcile/platform/redisconf", "spec"},
	"reconcile/platform/redisconf": {},
	"reconcile/sim":                {"spec/slot"},
	"reconcile/whole":              {},
}

// tools are packages for tests only: they may import anything of ours, and no
// room above may import them.
var tools = []string{"reconcile/sim/simdial", "reconcile/live/livetest"}

// Quiet rooms are pure: their determinism is their import list.
var quiet = []string{"spec/slot", "reconcile/cluster", "reconcile/plan"}

var loud = []string{"context", "time", "os", "os/exec", "io/fs", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestRoomsImportOneWay(t *testing.T) {
	for room, imports := range rooms(t) {
		if strings.HasPrefix(room, "cmd/") || slices.Contains(tools, room) {
			continue
		}
		allowed, known := mayImport[room]
		if !known {
			t.Errorf("room %s is not in the table of who may import whom", room)
		}
		for _, i := range imports {
			ours, isOurs := strings.CutPrefix(i, module)
			if isOurs && !slices.Contains(allowed, ours) {
				t.Errorf("%s may not import %s", room, ours)
			}
		}
	}
}

func TestQuietRoomsHaveNoClockNetworkOrChance(t *testing.T) {
	all := rooms(t)
	for _, room := range quiet {
		for _, i := range all[room] {
			if slices.Contains(loud, i) {
				t.Errorf("%s is a quiet room and may not import %s", room, i)
			}
		}
	}
}

func TestOnlyKubeImportsClientGo(t *testing.T) {
	for room, imports := range rooms(t) {
		for _, i := range imports {
			if strings.HasPrefix(i, "k8s.io/") && room != "reconcile/platform/kube" {
				t.Errorf("%s may not import %s: Kubernetes belongs to reconcile/platform/kube", room, i)
			}
		}
	}
}

// rooms lists the direct imports of every package of the module, by its path
// below the module's.
func rooms(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
	for room := range mayImport {
		if _, built := all[room]; !built && room != "gitsync" {
			t.Logf("room %s is not built", room)
		}
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}
