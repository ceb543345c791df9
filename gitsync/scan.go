package gitsync

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// emptySum is the digest of an empty file.
var emptySum = sha256.Sum256(nil)

// scan is one read of a directory.
type scan struct {
	*gathering
	dirs map[string]bool // every directory whose entries decided what was read
}

// root reads the directory at an absolute path.
func (s *scan) root(at string) error {
	real, err := s.resolve(at)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is not a directory")
	}
	return s.walk(real, "")
}

func (s *scan) walk(real, at string) error {
	s.dirs[real] = true
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(at, e.Name())
		if err := s.visit(name); err != nil {
			return err
		}
		// ConfigMap mounts keep their real files in folders that start with
		// two dots, and link to them.
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := s.enter(e, filepath.Join(real, e.Name()), name); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) enter(e fs.DirEntry, real, name string) error {
	switch {
	case e.IsDir():
		return s.walk(real, name)
	case e.Type()&fs.ModeSymlink != 0:
		return s.link(real, name)
	case isYAML(name):
		return s.file(real, name)
	}
	return nil
}

// link follows a link to a file, and watches every hop on the way.
func (s *scan) link(at, name string) error {
	real, err := s.resolve(at)
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(real); err == nil && info.IsDir() {
			return fmt.Errorf("%s is a link to a folder: only links to files are followed", name)
		}
	}
	if !isYAML(name) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return s.file(real, name)
}

// file reads a regular file. Anything else, a pipe for instance, could keep
// us waiting for ever, so it is opened without waiting and then looked at.
func (s *scan) file(real, name string) error {
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a plain file", name)
	}
	if err := s.admit(name, info.Size()); err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(f, s.caps.FileBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return s.add(name, content)
}

// maxHops is what Linux allows of links in one path (ELOOP).
const maxHops = 40

// resolve finds the real path behind links, and notes the directory of each
// link: a link that is pointed elsewhere is seen there, and only there.
func (s *scan) resolve(at string) (string, error) {
	real := string(filepath.Separator)
	rest := strings.Split(filepath.Clean(at), string(filepath.Separator))
	for hops := 0; len(rest) > 0; {
		next := filepath.Join(real, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				s.dirs[real] = true
				return "", err
			}
			real = next // not a link, or what reads it will say why it can't
			continue
		}
		if hops++; hops > maxHops {
			return "", fmt.Errorf("%s: too many links", at)
		}
		s.dirs[real] = true
		if filepath.IsAbs(target) {
			real = string(filepath.Separator)
		}
		rest = append(strings.Split(filepath.Clean(target), string(filepath.Separator)), rest...)
	}
	// The parent, because the last one may be removed and made again.
	s.dirs[filepath.Dir(real)] = true
	return real, nil
}
