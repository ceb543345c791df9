package gitsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWhatIsNoPlainFileIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *repo)
		words []string
	}{
		"a link out of the repository":  {link("evil.yaml", "/etc/passwd"), []string{"evil.yaml", "symbolic link"}},
		"a link to the folder above":    {link("up", ".."), []string{"up", "symbolic link"}},
		"a link to itself":              {link("self.yaml", "self.yaml"), []string{"self.yaml", "symbolic link"}},
		"a link deep in the repository": {link("x/y/z.yaml", "../../a.yaml"), []string{"x/y/z.yaml", "symbolic link"}},
		"a submodule": {func(r *repo) {
			r.git("update-index", "--add", "--cacheinfo", "160000,1111111111111111111111111111111111111111,sub")
			r.git("commit", "-q", "-m", "submodule")
			r.push()
		}, []string{"sub", "submodule"}},
		"a git-lfs pointer": {func(r *repo) {
			r.write("big.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
			r.commit("pointer")
		}, []string{"big.yaml", "git-lfs pointer"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("a.yaml", "one")
			r.commit("good")
			s := open(t, r.over("file"))
			mustNext(t, s, "")
			c.spoil(r)
			took := asRefused(t, refused(t, s, c.words...))
			if want := "main@sha1:" + r.git("rev-parse", "HEAD"); took.Revision != want {
				t.Errorf("%s is refused, not %s", took.Revision, want)
			}
		})
	}
}

// asRefused is what an error says of the revision.
func asRefused(t *testing.T, err error) *Refused {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("%v does not say which revision is refused", err)
	}
	if strings.Contains(r.Reason, "pull ") || strings.Contains(r.Reason, r.Revision) {
		t.Errorf("the reason %q has more than the reason", r.Reason)
	}
	return r
}

// Who has no use for the newest commit asks for any other, also for the one it
// had before.
func TestARefusedCommitIsTakenBack(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	good := r.commit("good")
	o := r.over("file")
	o.Caps.FileBytes = 10
	s := open(t, o)
	have := mustNext(t, s, "").Revision
	r.write("a.yaml", "more than ten bytes")
	r.commit("large")
	asRefused(t, refused(t, s, "FileBytes"))
	r.git("reset", "-q", "--hard", good)
	r.push()
	if got := mustNext(t, s, "").Revision; got != have {
		t.Errorf("got %s, want %s", got, have)
	}
	if err := os.Rename(r.bare, r.bare+".away"); err != nil {
		t.Fatal(err)
	}
	err := refused(t, s, "no such directory on this machine")
	if errors.As(err, new(*Refused)) {
		t.Errorf("a repository that is gone is no commit that is refused: %v", err)
	}
}

func link(name, target string) func(*repo) {
	return func(r *repo) {
		at := filepath.Join(r.work, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Symlink(target, at); err != nil {
			r.t.Fatal(err)
		}
		r.commit("link")
	}
}

func TestALinkOutsideTheFolderAskedForIsNoMatter(t *testing.T) {
	r := newRepo(t)
	r.write("topology/a.yaml", "one")
	link("elsewhere.yaml", "/etc/passwd")(r)
	o := r.over("file")
	o.Path = "topology"
	mustNext(t, open(t, o), "")
}

func TestNamesThatAreNoNamesAreRefused(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("good")
	blob := r.object("blob", []byte("one"))
	sub := r.tree(entry{"100644", "b.yaml", blob})
	for _, name := range []string{
		"..", ".", ".git", ".GIT", "git~1", "a\\b.yaml", "c:a.yaml", "../a.yaml",
		"line\nend.yaml", "bell\a.yaml", "latin\xe9.yaml", strings.Repeat("x", 4096) + ".yaml",
	} {
		for kind, e := range map[string]entry{"file": {"100644", name, blob}, "folder": {"40000", name, sub}} {
			r.point(r.tree(e))
			s := open(t, r.over("file"))
			if err := refused(t, s, "main@sha1:"); strings.ContainsAny(err.Error(), "\n\a") || !utf8.ValidString(err.Error()) {
				t.Errorf("%s %q: the error prints the name raw: %q", kind, name, err)
			}
		}
	}
	r.point(r.tree(entry{"100644", "a.yaml", blob}, entry{"100644", "a.yaml", blob}))
	refused(t, open(t, r.over("file")), "a.yaml", "twice")
}

func TestEveryCapIsNamedByTheErrorItMakes(t *testing.T) {
	r := newRepo(t)
	for i := range 20 {
		r.write(fmt.Sprintf("f%d.yaml", i), strings.Repeat(fmt.Sprint(i), 400))
	}
	r.write("one/two/three/deep.yaml", "deep")
	r.commit("files")
	for name, caps := range map[string]Caps{
		"RefBytes":      {RefBytes: 10},
		"PackBytes":     {PackBytes: 100},
		"Objects":       {Objects: 3},
		"ObjectBytes":   {ObjectBytes: 200},
		"UnpackedBytes": {UnpackedBytes: 2000},
		"Entries":       {Entries: 5},
		"Depth":         {Depth: 2},
		"Files":         {Files: 20},
		"FileBytes":     {FileBytes: 399},
		"TotalBytes":    {TotalBytes: 4000},
	} {
		for _, transport := range []string{"http", "file"} {
			o := r.over(transport)
			o.Caps = caps
			err := refused(t, open(t, o), "cap "+name)
			var over *CapError
			if !errors.As(err, &over) || over.Cap != name {
				t.Errorf("%s over %s: %v is not its CapError", name, transport, err)
			}
		}
		o := DirOptions{Caps: caps}
		s := follow(t, r.work, o)
		if _, err := next(t, s, ""); strings.Contains("Entries Depth Files FileBytes TotalBytes", name) &&
			(err == nil || !strings.Contains(err.Error(), "cap "+name)) {
			t.Errorf("%s in a directory: %v", name, err)
		}
	}
}

func TestATreeThatUnfoldsToTenBillionPathsIsRefusedAtOnce(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	r.commit("good")
	at := r.tree(entry{"100644", "a.yaml", r.object("blob", []byte("one"))})
	for range 10 {
		var ten []entry
		for i := range 10 {
			ten = append(ten, entry{"40000", fmt.Sprintf("d%d", i), at})
		}
		at = r.tree(ten...)
	}
	r.point(at)
	refused(t, open(t, r.over("file")), "cap ")
}

func TestAHugeObjectCostsNoMemory(t *testing.T) {
	r := newRepo(t)
	r.write("a.yaml", "one")
	zeros := filepath.Join(r.work, "zeros.bin")
	write(t, zeros, "")
	if err := os.Truncate(zeros, 96*mib); err != nil {
		t.Fatal(err)
	}
	r.commit("96 MiB that pack into 100 KiB")
	s := open(t, r.over("http"))
	before, peak := heap(), watchHeap(t)
	refused(t, s, "cap ObjectBytes", "100663296")
	if grown := int64(peak()) - int64(before); grown > 24*mib {
		t.Errorf("the heap grew by %d MiB", grown/mib)
	}
}

func TestALargeFileElsewhereIsLeftOutWhereTheServerCan(t *testing.T) {
	r := newRepo(t)
	r.run(r.bare, "config", "uploadpack.allowFilter", "true")
	r.write("topology/a.yaml", "one")
	r.write("assets/video.bin", strings.Repeat("v", 5000))
	r.commit("video")
	o := r.over("http")
	o.Path, o.Caps.ObjectBytes = "topology", 4000
	mustNext(t, open(t, o), "")
	r.write("topology/b.yaml", strings.Repeat("y", 5000))
	r.commit("a topology larger than the cap")
	refused(t, open(t, o), "b.yaml", "ObjectBytes")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// watchHeap samples the heap until the returned function is called, which
// gives the highest that was seen.
func watchHeap(t *testing.T) func() uint64 {
	t.Helper()
	stop, highest := make(chan struct{}), uint64(0)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			highest = max(highest, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return func() uint64 { close(stop); done.Wait(); return highest }
}
