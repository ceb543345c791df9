package bed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slotwright/slotwright/deploy/testbed/image"
)

// packImages makes an archive of each image of the bed.
func (b Bed) packImages() error {
	pause := image.Image{Name: pauseImage, Files: map[string]string{"/pause": b.asset("pause")}, Run: []string{"/pause"}}
	if err := pause.Pack(b.archive(pauseImage)); err != nil {
		return err
	}
	for _, entry := range b.Images {
		if _, err := b.packImage(entry); err != nil {
			return err
		}
	}
	return nil
}

func (b Bed) archive(name string) string {
	return b.path("images", strings.NewReplacer("/", "_", ":", "_").Replace(name)+".tar")
}

// packImage makes an archive of NAME=PATH and returns where it lies. PATH is a
// directory that becomes the root, with a shell added, or one static program.
func (b Bed) packImage(entry string) (string, error) {
	name, path, ok := strings.Cut(entry, "=")
	if !ok {
		return "", fmt.Errorf("image %q is not NAME=PATH", entry)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("pack image %s: %w", name, err)
	}
	packed := image.Image{Name: name}
	if info.IsDir() {
		err = addShell(&packed, path)
	} else {
		program := "/usr/local/bin/" + filepath.Base(path)
		packed.Files, packed.Run, packed.User = map[string]string{program: path}, []string{program}, "65532:65532"
	}
	if err != nil {
		return "", err
	}
	return b.archive(name), packed.Pack(b.archive(name))
}

// addShell puts busybox and all the names it goes by beside the programs of the
// tree; an engine's server is what the image runs.
func addShell(packed *image.Image, root string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("ask busybox for its names: %w", err)
	}
	packed.Root = root
	packed.Files = map[string]string{"/usr/bin/busybox": busybox}
	packed.Links = map[string]string{}
	for name := range strings.FieldsSeq(string(names)) {
		if path := "/usr/bin/" + name; name != "busybox" && !exists(root+path) {
			packed.Links[path] = "busybox"
		}
	}
	for _, server := range []string{"redis-server", "valkey-server"} {
		if exists(filepath.Join(root, "usr", "bin", server)) {
			packed.Run = []string{server}
		}
	}
	return nil
}
