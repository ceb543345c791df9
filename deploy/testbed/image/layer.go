package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const architecture = runtime.GOARCH

// passwd has the users that the public images of the engines have.
const passwd = `root:x:0:0::/:/bin/sh
redis:x:999:999::/data:/bin/sh
nobody:x:65534:65534::/:/bin/false
nonroot:x:65532:65532::/:/bin/false
`

// merged are the directories that are links into /usr in every image, as in
// Debian's own, where packages of older releases still have them beside it.
var merged = []string{"bin", "sbin", "lib", "lib64"}

// unneeded directories take place and hold nothing that runs.
var unneeded = []string{"usr/share", "etc/init.d", "usr/lib/systemd", "etc/redis"}

func (i Image) writeLayerFile(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := i.writeLayer(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func (i Image) writeLayer(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, dir := range merged {
		if err := writeLink(out, dir, "usr/"+dir); err != nil {
			return err
		}
	}
	dirs := []tar.Header{
		{Name: "data/", Mode: 0o755, Uid: 999, Gid: 999}, {Name: "tmp/", Mode: 0o1777}, {Name: "etc/", Mode: 0o755},
		{Name: "usr/bin/", Mode: 0o755}, {Name: "usr/sbin/", Mode: 0o755}, {Name: "usr/lib/", Mode: 0o755}, {Name: "usr/lib64/", Mode: 0o755},
	}
	for _, dir := range dirs {
		dir.Typeflag = tar.TypeDir
		if err := out.WriteHeader(&dir); err != nil {
			return err
		}
	}
	if err := writeText(out, "etc/passwd", passwd); err != nil {
		return err
	}
	if i.Root != "" {
		if err := writeTree(out, i.Root); err != nil {
			return err
		}
	}
	for at, from := range i.Files {
		if err := writeFile(out, strings.TrimPrefix(at, "/"), from); err != nil {
			return err
		}
	}
	for at, target := range i.Links {
		if err := writeLink(out, at, target); err != nil {
			return err
		}
	}
	return out.Close()
}

func writeLink(out *tar.Writer, at, target string) error {
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: strings.TrimPrefix(at, "/"), Linkname: target, Mode: 0o777})
}

func writeText(out *tar.Writer, name, text string) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.WriteString(out, text)
	return err
}

func writeTree(out *tar.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || entry.IsDir() {
			if slices.Contains(unneeded, name) {
				return fs.SkipDir
			}
			return err
		}
		return writeFile(out, inUsr(name), path)
	})
}

// inUsr is where the file lies once the directories are merged.
func inUsr(name string) string {
	if top, _, _ := strings.Cut(name, "/"); slices.Contains(merged, top) {
		return "usr/" + name
	}
	return name
}

func writeFile(out *tar.Writer, name, from string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(from); err != nil {
			return err
		}
	} else if !info.Mode().IsRegular() {
		return errors.New(from + " is neither a file nor a link")
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	// Whose files these are on this machine is no matter of the image.
	*header = tar.Header{Typeflag: header.Typeflag, Name: name, Linkname: target, Size: header.Size, Mode: header.Mode}
	if err := out.WriteHeader(header); err != nil || target != "" {
		return err
	}
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(out, file)
	return err
}
