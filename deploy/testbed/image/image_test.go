package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// tree is a directory with the files given; a text that starts with "-> " makes a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// contents reads the one layer of a packed image: texts, and "-> " for links.
func contents(t *testing.T, archive string) map[string]string {
	t.Helper()
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	reader, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found := map[string]string{}
	for in := tar.NewReader(reader); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		text, readErr := io.ReadAll(in)
		if err != nil || readErr != nil {
			t.Fatal(err, readErr)
		}
		if header.Typeflag == tar.TypeSymlink {
			text = []byte("-> " + header.Linkname)
		}
		if header.Uid != 0 && header.Name != "data/" {
			t.Errorf("%s belongs to %d", header.Name, header.Uid)
		}
		found[header.Name] = string(text)
	}
}

func TestATreeBecomesAnImageWithItsDirectoriesMerged(t *testing.T) {
	root := tree(t, map[string]string{
		"usr/bin/redis-server":    "server",
		"lib/x86/libc.so.6":       "library",
		"lib64/ld.so":             "-> /lib/x86/ld.so",
		"usr/share/doc/redis/a":   "left out",
		"etc/ld.so.conf.d/x.conf": "conf",
	})
	archive := filepath.Join(t.TempDir(), "a.tar")
	i := Image{Name: "redis:7.0", Root: root, Run: []string{"redis-server"},
		Files: map[string]string{"/usr/bin/extra": filepath.Join(root, "usr/bin/redis-server")}, Links: map[string]string{"/usr/bin/sh": "extra"}}
	if err := i.Pack(archive); err != nil {
		t.Fatal(err)
	}
	got := contents(t, archive)
	for name, text := range map[string]string{
		"usr/bin/redis-server": "server", "usr/lib/x86/libc.so.6": "library", "usr/lib64/ld.so": "-> /lib/x86/ld.so",
		"usr/bin/extra": "server", "usr/bin/sh": "-> extra", "lib": "-> usr/lib", "etc/ld.so.conf.d/x.conf": "conf", "tmp/": "",
	} {
		if seen, ok := got[name]; !ok || seen != text {
			t.Errorf("%s is %q (%t)", name, seen, ok)
		}
	}
	if _, ok := got["usr/share/doc/redis/a"]; ok {
		t.Error("documentation takes place")
	}
}

func TestImagesCarryTheNameTheKubeletAsksForAndWhatTheyRun(t *testing.T) {
	program := filepath.Join(tree(t, map[string]string{"program": "x"}), "program")
	for name, full := range map[string]string{
		"redis:7.0":                 "docker.io/library/redis:7.0",
		"valkey/valkey:8":           "docker.io/valkey/valkey:8",
		"localhost/pause:1":         "localhost/pause:1",
		"registry.example/team/x:1": "registry.example/team/x:1",
	} {
		archive := filepath.Join(t.TempDir(), "a.tar")
		i := Image{Name: name, Files: map[string]string{"/program": program}, Run: []string{"/program"}, User: "65532:65532"}
		if err := i.Pack(archive); err != nil {
			t.Fatal(err)
		}
		manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
		if err != nil || len(manifest) != 1 || manifest[0].RepoTags[0] != full {
			t.Errorf("%s: manifest %+v, %v", name, manifest, err)
		}
		img, err := tarball.ImageFromPath(archive, nil)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil || config.OS != "linux" || config.Config.User != "65532:65532" || config.Config.Cmd[0] != "/program" {
			t.Errorf("%s: config %+v, %v", name, config, err)
		}
	}
}

func TestWhatCanNotBePackedIsNamed(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar")
	for what, i := range map[string]Image{
		"a name that is none":    {Name: "Redis:7"},
		"a tree that is gone":    {Name: "redis:7", Root: "/nowhere"},
		"a program that is gone": {Name: "redis:7", Files: map[string]string{"/x": "/nowhere"}},
		"a directory as a file":  {Name: "redis:7", Files: map[string]string{"/x": t.TempDir()}},
	} {
		if err := i.Pack(archive); err == nil || !strings.Contains(err.Error(), i.Name) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
