package gitsync

import (
	"errors"
	"os"
	"path/filepath"
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
