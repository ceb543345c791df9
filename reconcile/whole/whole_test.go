package whole

import (
	"os"
	"path/filepath"
	"testing"
)

// names are what is in a directory, hidden files too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestAFileIsReplacedAndOnlyItsOwnerReadsIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("a long old text"), 0o644); err != nil { // on purpose: the new one is narrower
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "new" {
		t.Errorf("it holds %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("the directory has %v", got)
	}
}

// A directory in the file's place can't be replaced: the last step fails.
func TestAFileThatCantBeReplacedIsLeftAloneWithNothingBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.MkdirAll(filepath.Join(path, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err == nil {
		t.Error("no error")
	}
	if got := names(t, dir); len(got) != 1 || len(names(t, path)) != 1 {
		t.Errorf("the directory has %v", got)
	}
}

func TestWhatKilledWritersLeftIsSweptAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".file.new-1", ".file.new-2", ".other.new-1", "file", "file.new-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(filepath.Join(dir, "file"))
	if got := names(t, dir); len(got) != 3 || got[0] != ".other.new-1" {
		t.Errorf("the directory has %v", got)
	}
}
