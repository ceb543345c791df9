package gitsync

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// follow makes a source of a directory. Its rescan is far away, so that what
// is seen in time was seen by events.
func follow(t *testing.T, path string, o DirOptions) Source {
	t.Helper()
	if o.Rescan == 0 {
		o.Rescan = time.Hour
	}
	s, err := Dir(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// topologyDir is a directory with one file that says one.
func topologyDir(t *testing.T) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "topology")
	file = filepath.Join(dir, "c.yaml")
	write(t, file, "one")
	return dir, file
}

func TestEveryWayOfSavingIsSeen(t *testing.T) {
	for name, save := range map[string]func(t *testing.T, dir, file string){
		"written in place": func(t *testing.T, _, file string) { write(t, file, "two") },
		"written beside and renamed": func(t *testing.T, dir, file string) {
			write(t, filepath.Join(dir, ".c.yaml.tmp"), "two")
			rename(t, filepath.Join(dir, ".c.yaml.tmp"), file)
		},
		"backed up by renaming, then written": func(t *testing.T, dir, file string) {
			write(t, filepath.Join(dir, "4913"), "")
			remove(t, filepath.Join(dir, "4913"))
			rename(t, file, file+"~")
			write(t, file, "two")
			remove(t, file+"~")
		},
		"removed for a moment": func(t *testing.T, _, file string) {
			remove(t, file)
			time.AfterFunc(quiet+100*time.Millisecond, func() { write(t, file, "two") })
		},
		"the directory renamed away and made again": func(t *testing.T, dir, file string) {
			rename(t, dir, dir+".old")
			write(t, file, "two")
		},
		"the directory removed and made again": func(t *testing.T, dir, file string) {
			remove(t, dir)
			write(t, file, "two")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := topologyDir(t)
			s := follow(t, dir, DirOptions{})
			have := mustNext(t, s, "").Revision
			save(t, dir, file)
			got := mustNext(t, s, have)
			if text := read(t, got, "c.yaml"); text != "two" {
				t.Errorf("read %q, want the saved text", text)
			}
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryWithoutYAMLIsAnErrorAndNeverEmpty(t *testing.T) {
	dir, file := topologyDir(t)
	s := follow(t, dir, DirOptions{})
	have := mustNext(t, s, "").Revision
	remove(t, file)
	if _, err := next(t, s, have); !errors.Is(err, ErrNoFiles) {
		t.Errorf("got %v, want ErrNoFiles", err)
	}
	remove(t, dir)
	if _, err := next(t, s, have); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want the directory missed", err)
	}
	write(t, file, "two")
	if got := mustNext(t, s, have); read(t, got, "c.yaml") != "two" {
		t.Error("the directory's return was not seen")
	}
}

func symlink(t *testing.T, target, at string) {
	t.Helper()
	if err := os.Symlink(target, at); err != nil {
		t.Fatal(err)
	}
}

// configMap is a directory as a kubelet mounts it: the files are links
// through a link that is swapped to change them all at once.
func configMap(t *testing.T) (dir string, swap func(text string)) {
	t.Helper()
	dir = t.TempDir()
	version := 0
	swap = func(text string) {
		version++
		real := "..2026_" + strconv.Itoa(version)
		write(t, filepath.Join(dir, real, "c.yaml"), text)
		symlink(t, real, filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
		if version > 1 {
			remove(t, filepath.Join(dir, "..2026_"+strconv.Itoa(version-1)))
		}
	}
	swap("one")
	symlink(t, "..data/c.yaml", filepath.Join(dir, "c.yaml"))
	return dir, swap
}

func TestAConfigMapIsReadOnceAndItsSwapSeen(t *testing.T) {
	dir, swap := configMap(t)
	s := follow(t, dir, DirOptions{})
	got := mustNext(t, s, "")
	if names := list(t, got); names != "c.yaml" || read(t, got, "c.yaml") != "one" {
		t.Errorf("read %s", names)
	}
	for _, text := range []string{"two", "three"} {
		swap(text)
		if got = mustNext(t, s, got.Revision); read(t, got, "c.yaml") != text {
			t.Errorf("read %q, want %q", read(t, got, "c.yaml"), text)
		}
	}
}

func TestALinkToTheDirectoryIsFollowedWhenItIsSwapped(t *testing.T) {
	root := t.TempDir()
	for _, text := range []string{"one", "two"} {
		write(t, filepath.Join(root, "trees", text, "topology", "c.yaml"), text)
	}
	current := filepath.Join(root, "current")
	symlink(t, "trees/one", current)
	s := follow(t, filepath.Join(current, "topology"), DirOptions{})
	have := mustNext(t, s, "").Revision
	symlink(t, "trees/two", current+".new")
	rename(t, current+".new", current)
	if got := mustNext(t, s, have); read(t, got, "c.yaml") != "two" {
		t.Error("the swap was not seen")
	}
}

func TestAFileInNewFoldersIsSeenThoughNobodyWatchedThem(t *testing.T) {
	dir, _ := topologyDir(t)
	s := follow(t, dir, DirOptions{})
	have := mustNext(t, s, "").Revision
	write(t, filepath.Join(dir, "a/b/c/new.yaml"), "new")
	got := mustNext(t, s, have)
	if names := list(t, got); names != "a/b/c/new.yaml c.yaml" {
		t.Errorf("read %s", names)
	}
	write(t, filepath.Join(dir, "a/b/c/new.yaml"), "changed")
	if got = mustNext(t, s, got.Revision); read(t, got, "a/b/c/new.yaml") != "changed" {
		t.Error("the new folder is not watched")
	}
}

func TestADirectoryThatIsPolledOrWokenNeedsNoEvents(t *testing.T) {
	dir, file := topologyDir(t)
	for name, o := range map[string]DirOptions{
		"polled": {Poll: true, Rescan: 20 * time.Millisecond},
		"woken":  {Poll: true},
	} {
		s := follow(t, dir, o)
		have := mustNext(t, s, "").Revision
		write(t, file, name)
		if name == "woken" {
			s.Wake()
		}
		if got := mustNext(t, s, have); read(t, got, "c.yaml") != name {
			t.Errorf("%s: the change was not seen", name)
		}
	}
}

func TestWhatIsNoPlainFileInADirectoryIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		word  string
	}{
		"a link to a folder":     {func(t *testing.T, dir string) { symlink(t, "..", filepath.Join(dir, "up")) }, "up is a link to a folder"},
		"a link to itself":       {func(t *testing.T, dir string) { symlink(t, "loop.yaml", filepath.Join(dir, "loop.yaml")) }, "loop.yaml"},
		"a link to nothing":      {func(t *testing.T, dir string) { symlink(t, "gone", filepath.Join(dir, "gone.yaml")) }, "gone.yaml"},
		"a pipe that never ends": {func(t *testing.T, dir string) { pipeFile(t, filepath.Join(dir, "pipe.yaml")) }, "pipe.yaml is not a plain file"},
		"a link to such a pipe": {func(t *testing.T, dir string) {
			pipeFile(t, dir+".p")
			symlink(t, dir+".p", filepath.Join(dir, "l.yaml"))
		}, "l.yaml is not a plain file"},
		"a device behind a link":  {func(t *testing.T, dir string) { symlink(t, "/dev/zero", filepath.Join(dir, "zero.yaml")) }, "zero.yaml is not a plain file"},
		"the whole is a file":     {func(t *testing.T, dir string) { remove(t, dir); write(t, dir, "file") }, "not a directory"},
		"a folder named as YAML":  {func(t *testing.T, dir string) { remove(t, dir); write(t, filepath.Join(dir, "d.yaml", "x"), "") }, "no .yaml or .yml file"},
		"only hidden files":       {func(t *testing.T, dir string) { rename(t, filepath.Join(dir, "c.yaml"), filepath.Join(dir, ".c.yaml")) }, "no .yaml or .yml file"},
		"a git-lfs pointer in it": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "l.yaml"), string(lfsPointer)) }, "l.yaml is a git-lfs pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := topologyDir(t)
			c.spoil(t, dir)
			refused(t, follow(t, dir, DirOptions{}), c.word)
		})
	}
}

func pipeFile(t *testing.T, at string) {
	t.Helper()
	if err := syscall.Mkfifo(at, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatIsGoneForAMomentIsNotTakenForRemoved(t *testing.T) {
	dir, file := topologyDir(t)
	write(t, filepath.Join(dir, "other.yaml"), "other")
	s := follow(t, dir, DirOptions{})
	have := mustNext(t, s, "").Revision
	for name, spoil := range map[string]func(){
		"removed": func() { remove(t, file) },
		"emptied": func() { write(t, file, "") },
	} {
		spoil()
		time.AfterFunc(quiet+settle/2, func() { write(t, file, name) })
		got := mustNext(t, s, have)
		if text := read(t, got, "c.yaml"); text != name {
			t.Errorf("%s: read %q, want the file that came back", name, text)
		}
		have = got.Revision
	}
	remove(t, file)
	if got := mustNext(t, s, have); list(t, got) != "other.yaml" {
		t.Errorf("removed for good: %s", list(t, got))
	}
}

func TestAThousandSavesAreFewSnapshots(t *testing.T) {
	dir, file := topologyDir(t)
	s := follow(t, dir, DirOptions{})
	have := mustNext(t, s, "").Revision
	var done sync.WaitGroup
	done.Go(func() {
		for i := range 1000 {
			write(t, file+".tmp", strconv.Itoa(i))
			rename(t, file+".tmp", file)
			time.Sleep(2 * time.Millisecond)
		}
	})
	defer done.Wait()
	for n := 1; ; n++ {
		got := mustNext(t, s, have)
		if have = got.Revision; read(t, got, "c.yaml") == "999" {
			return
		}
		if n > 20 {
			t.Fatal("more than 20 snapshots of 1000 saves")
		}
	}
}

func TestTheDigestIsOfNamesAndContentsAndNothingElse(t *testing.T) {
	revision := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			write(t, filepath.Join(dir, name), text)
		}
		return mustNext(t, follow(t, dir, DirOptions{}), "").Revision
	}
	one := revision(map[string]string{"a.yaml": "x", "b.yaml": "y"})
	if again := revision(map[string]string{"b.yaml": "y", "a.yaml": "x", "notes.txt": "n"}); again != one {
		t.Error("the same files have two revisions")
	}
	for _, files := range []map[string]string{
		{"a.yaml": "y", "b.yaml": "x"}, {"a.yaml": "x", "c.yaml": "y"}, {"a.yaml": "x"}, {"d/a.yaml": "x", "b.yaml": "y"},
	} {
		if revision(files) == one {
			t.Errorf("%v has the revision of other files", files)
		}
	}
}

func TestADirectorysChangesWhileNobodyAsksAreNotLost(t *testing.T) {
	dir, file := topologyDir(t)
	s := follow(t, dir, DirOptions{})
	have := mustNext(t, s, "").Revision
	write(t, file, "two")
	time.Sleep(10 * time.Millisecond)
	if got := mustNext(t, s, have); read(t, got, "c.yaml") != "two" {
		t.Error("the change was not seen")
	}
	if got := mustNext(t, s, ""); read(t, got, "c.yaml") != "two" {
		t.Error("asked anew, the source waits for a change")
	}
}
