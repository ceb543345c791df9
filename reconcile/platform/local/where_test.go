package local

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/spec"
)

func TestNodesInAnotherDirectoryAreRememberedAndNotMadeTwice(t *testing.T) {
	ctx, want := context.Background(), topology(t, 1, 23140)
	first := platform(t, want)
	must(t, first.Start(ctx, []string{"a-0"}))
	moved := want
	moved.Platform.Local = &spec.Local{Directory: "other", BasePort: 23145, Server: want.Platform.Local.Server}
	p, err := New(moved, filepath.Dir(filepath.Dir(first.where)), nil)
	must(t, err)
	p.host = testHost
	if text := places(t, p)["a-0"].Elsewhere; !strings.Contains(text, first.home.dir) || !strings.Contains(text, p.home.dir) {
		t.Errorf("it says %q", text)
	}
	if text := places(t, first)["a-0"].Elsewhere; text != "" {
		t.Errorf("where it was made it says %q", text)
	}
	must(t, first.Destroy(ctx, []string{"a-0"}))
	if text := places(t, p)["a-0"].Elsewhere; text != "" {
		t.Errorf("with the first one gone it says %q", text)
	}
}

func TestNodesKeepTheirPortsAndThatIsSaid(t *testing.T) {
	want := topology(t, 1, 23150)
	first := platform(t, want)
	must(t, first.Start(context.Background(), []string{"a-0"}))
	if text := places(t, first)["a-0"].Remark; text != "" {
		t.Errorf("unasked it says %q", text)
	}
	moved := want
	moved.Platform.Local = &spec.Local{Directory: "data", BasePort: 23155, Server: want.Platform.Local.Server}
	p := platform(t, moved)
	p.home = first.home
	if place := places(t, p)["a-0"]; !strings.Contains(place.Remark, "23150") || !strings.HasSuffix(place.Addr, ":23150") {
		t.Errorf("it is at %s and says %q", place.Addr, place.Remark)
	}
}

func TestWhatIsToBeAbsentIsThereUntilAllOfItIsGone(t *testing.T) {
	ctx, want := context.Background(), topology(t, 2, 23160)
	p := platform(t, want)
	must(t, p.Start(ctx, []string{"a-0", "b-0"}))
	kill(t, p, "a-0")
	kill(t, p, "b-0")
	must(t, os.Rename(p.home.path("b-0"), p.home.path(going+"b-0"))) // a run died here
	must(t, os.MkdirAll(p.home.path(going+"c-7"), 0o700))            // and another one, long ago
	p.want.State = spec.Absent
	var names []string
	for name, place := range places(t, p) {
		if names = append(names, name); !place.Exists {
			t.Errorf("%s is on the disk and does not exist", name)
		}
	}
	if len(names) != 3 {
		t.Errorf("places are %v", names)
	}
	must(t, p.Destroy(ctx, names))
	for name, place := range places(t, p) {
		if place.Exists {
			t.Errorf("%s still exists", name)
		}
	}
	if left, err := filepath.Glob(p.home.path(going + "*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v: %v", left, err)
	}
}
