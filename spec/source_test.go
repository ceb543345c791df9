package spec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// write makes the files below a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func link(t *testing.T, to, from string) {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []string {
	t.Helper()
	sources, err := Read([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, strings.TrimPrefix(s.Name, path)+"="+string(s.Data))
	}
	return got
}

func TestADirectoryIsReadForItsYAML(t *testing.T) {
	dir := write(t, map[string]string{
		"b.yaml": "b", "a/c.yml": "c", "README.md": "no", "Makefile": "no", ".hidden.yaml": "no", ".git/x.yaml": "no", "a/.b/x.yaml": "no",
	})
	if diff := cmp.Diff([]string{"/a/c.yml=c", "/b.yaml=b"}, read(t, dir)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAMountedConfigMapIsReadOnce(t *testing.T) {
	dir := write(t, map[string]string{"..2026_01/c.yaml": "c"})
	link(t, "..2026_01", filepath.Join(dir, "..data"))
	link(t, "..data/c.yaml", filepath.Join(dir, "c.yaml"))
	if diff := cmp.Diff([]string{"/c.yaml=c"}, read(t, dir)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestARootThatIsALinkIsFollowed(t *testing.T) {
	dir := write(t, map[string]string{"v1/a.yaml": "a"})
	current := filepath.Join(dir, "current")
	link(t, "v1", current)
	if diff := cmp.Diff([]string{"/a.yaml=a"}, read(t, current)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAFileNamedOutrightNeedsNoEnding(t *testing.T) {
	dir := write(t, map[string]string{".topology": "a"})
	if diff := cmp.Diff([]string{"=a"}, read(t, filepath.Join(dir, ".topology"))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestWhatCanNotBeReadIsToldTogether(t *testing.T) {
	dir := write(t, map[string]string{"a/good.yaml": "a", "empty/README.md": "no"})
	link(t, ".", filepath.Join(dir, "a", "loop"))
	link(t, "nowhere", filepath.Join(dir, "a", "dangling.yaml"))
	if err := syscall.Mkfifo(filepath.Join(dir, "a", "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := Read([]string{filepath.Join(dir, "a"), filepath.Join(dir, "empty"), filepath.Join(dir, "gone"), "-"},
		iotest.ErrReader(errors.New("unplugged")))
	if sources != nil {
		t.Errorf("read %v", sources)
	}
	var mistakes Mistakes
	if !errors.As(err, &mistakes) {
		t.Fatalf("the error is a %T", err)
	}
	want := strings.ReplaceAll(`DIR/a/dangling.yaml: stat: no such file or directory
DIR/a/loop: a link to a directory is not followed (name that directory on the command line, or remove the link)
DIR/a/pipe.yaml: is not a regular file
DIR/empty: no topology here: no *.yaml or *.yml file
DIR/gone: stat: no such file or directory
stdin: unplugged`, "DIR", dir)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestMoreIsReadThanAFileMayHaveSoThatLoadCanTell(t *testing.T) {
	sources, err := Read([]string{"-"}, strings.NewReader(strings.Repeat("#", maxFileBytes+100)))
	if err != nil || len(sources) != 1 || len(sources[0].Data) != maxFileBytes+1 {
		t.Fatalf("%d sources, %v", len(sources), err)
	}
	if _, err := Load(sources); err == nil || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestAReadingHasALimit(t *testing.T) {
	big := strings.Repeat("#", maxFileBytes)
	dir := write(t, map[string]string{"a.yaml": big})
	paths := make([]string, 65)
	for i := range paths {
		paths[i] = filepath.Join(dir, "a.yaml")
	}
	if _, err := Read(paths, nil); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("got %.200v", err)
	}
	if _, err := Read(paths[:64], nil); err != nil {
		t.Errorf("64 MiB: %v", err)
	}
}
