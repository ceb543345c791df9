package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/slotwright/slotwright/spec"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestDestroyRemovesTheNodeAndNothingElse(t *testing.T) {
	ctx, p := context.Background(), platform(t, topology(t, 2, 23100))
	must(t, p.Start(ctx, []string{"a-0", "b-0"}))
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600))
	must(t, os.Symlink(outside, p.home.path("a-0", "link")))
	must(t, p.Destroy(ctx, []string{"a-0", "never-made"}))
	if exists(p.home.path("a-0")) || places(t, p)["a-0"].Exists {
		t.Error("the node is still there")
	}
	if !exists(filepath.Join(outside, "precious")) {
		t.Error("a link was followed out of the directory")
	}
	if !places(t, p)["b-0"].Exists {
		t.Error("the other node is gone")
	}
	must(t, p.Destroy(ctx, []string{"a-0"})) // gone already
}

func TestDestroyNeedsTheMarker(t *testing.T) {
	p := platform(t, topology(t, 1, 23110))
	must(t, os.MkdirAll(p.home.path("a-0"), 0o700))
	must(t, os.WriteFile(p.home.path("a-0", "precious"), nil, 0o600))
	for name, break_ := range map[string]func(){
		"no marker":          func() {},
		"another node's":     func() { writeMarker(t, p, `{"cluster":"orders","node":"b-0","port":1}`) },
		"another cluster's":  func() { writeMarker(t, p, `{"cluster":"carts","node":"a-0","port":1}`) },
		"a marker of rubble": func() { writeMarker(t, p, `{`) },
	} {
		break_()
		if err := p.home.remove("a-0"); err == nil {
			t.Errorf("%s: removed", name)
		}
		if err := p.Destroy(context.Background(), []string{"a-0"}); err == nil && name != "no marker" {
			t.Errorf("%s: no error", name)
		}
		if !exists(p.home.path("a-0", "precious")) {
			t.Fatalf("%s: a directory slotwright did not make is gone", name)
		}
		_ = os.Remove(p.home.path("a-0", markerFile))
	}
	if err := p.Start(context.Background(), []string{"a-0"}); err == nil || exists(p.home.path("a-0", markerFile)) {
		t.Errorf("start took over a directory it did not make: %v", err)
	}
}

func writeMarker(t *testing.T, p *Platform, text string) {
	t.Helper()
	must(t, os.WriteFile(p.home.path("a-0", markerFile), []byte(text), 0o600))
}

func TestANodeBehindALinkIsNotRemoved(t *testing.T) {
	p := platform(t, topology(t, 1, 23115))
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, markerFile), []byte(`{"cluster":"orders","node":"a-0","port":1}`), 0o600))
	must(t, os.MkdirAll(p.home.dir, 0o700))
	must(t, os.Symlink(outside, p.home.path("a-0")))
	if err := p.home.remove("a-0"); err == nil || !exists(filepath.Join(outside, markerFile)) {
		t.Errorf("removed through a link: %v", err)
	}
}

func TestWhatAKilledRunLeftHalfMadeOrHalfRemovedIsSwept(t *testing.T) {
	ctx, p := context.Background(), platform(t, topology(t, 1, 23120))
	for _, rubble := range []string{coming + "a-0", going + "a-0"} {
		must(t, os.MkdirAll(p.home.path(rubble), 0o700))
		must(t, os.WriteFile(p.home.path(rubble, "half"), nil, 0o600))
	}
	must(t, p.Start(ctx, []string{"a-0"}))
	if exists(p.home.path(coming+"a-0")) || exists(p.home.path(going+"a-0")) {
		t.Error("rubble is left")
	}
}

func TestTwoClustersDoNotShareADirectory(t *testing.T) {
	ctx, want := context.Background(), topology(t, 1, 23125)
	must(t, platform(t, want).Start(ctx, []string{"a-0"}))
	other := want
	other.Name = "carts"
	p, err := New(other, "", nil)
	must(t, err)
	if _, err := p.Places(ctx); err == nil {
		t.Error("no error from places")
	}
	if err := p.Destroy(ctx, []string{"a-0"}); err == nil {
		t.Error("no error from destroy")
	}
	if !places(t, platform(t, want))["a-0"].Exists {
		t.Error("the node of the first cluster is gone")
	}
}

func TestOneRunAtATimeChangesADirectory(t *testing.T) {
	want := topology(t, 1, 23130)
	unlock, err := platform(t, want).home.lock(context.Background())
	must(t, err)
	p := platform(t, want)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Start(ctx, []string{"a-0"}); !errors.Is(err, context.Canceled) {
		t.Errorf("started under somebody else's lock: %v", err)
	}
	unlock()
	must(t, p.Start(context.Background(), []string{"a-0"}))
}

func TestTheDirectoryIsTheFilesNeighbourOrInTheStateDirectory(t *testing.T) {
	for written, want := range map[string]string{
		"data":       "/srv/topologies/data",
		"/srv/nodes": "/srv/nodes",
		"":           "/srv/state/local/orders",
	} {
		p, err := New(spec.Topology{
			Name: "orders", File: "/srv/topologies/orders.yaml",
			Platform: spec.Platform{Local: &spec.Local{Directory: written}},
		}, "/srv/state", nil)
		must(t, err)
		if p.home.dir != want {
			t.Errorf("%q: got %s, want %s", written, p.home.dir, want)
		}
	}
}
