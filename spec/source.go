package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Limits of what is read. Every complaint about one of them names it.
const (
	maxFileBytes = 1 << 20  // of one file; a thousand nodes fill about a tenth of it
	maxFiles     = 10_000   // of one reading
	maxAllBytes  = 64 << 20 // of one reading
)

// Stdin is the Name of a source that was read from standard input.
const Stdin = "stdin"

// Source is one file as it was found.
type Source struct {
	Name string // a path, for messages and for paths relative to it; or Stdin
	Data []byte
}

// Read collects the files the arguments of a command line mean: a file (or
// pipe) by its name, the *.yaml and *.yml files below a directory, and "-" for
// stdin. Names beginning with a dot are passed over below a directory, which is
// also what a mounted ConfigMap needs. What can't be read is never passed over:
// the error is a Mistakes with every such place, and nothing is returned with it.
func Read(paths []string, stdin io.Reader) ([]Source, error) {
	r := reading{}
	for _, path := range paths {
		if path == "-" {
			r.keep(Stdin, stdin)
		} else {
			r.path(path)
		}
	}
	if len(r.mistakes) > 0 {
		return nil, r.mistakes
	}
	return r.sources, nil
}

// reading is a Read under way.
type reading struct {
	sources  []Source
	bytes    int
	mistakes Mistakes
}

func (r *reading) fail(name, text, hint string) {
	r.mistakes = append(r.mistakes, Mistake{File: name, Text: text, Hint: hint})
}

func (r *reading) path(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fail(path, reason(err), "")
	case info.IsDir():
		r.directory(path)
	default:
		r.file(path)
	}
}

func (r *reading) directory(root string) {
	before, failed := len(r.sources), len(r.mistakes)
	// The trailing separator makes a root that is itself a link be followed.
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		path = filepath.Clean(path)
		if err != nil {
			r.fail(path, reason(err), "")
			return nil
		}
		return r.entry(root, path, d)
	})
	if err != nil {
		r.fail(root, reason(err), "")
	}
	if len(r.sources) == before && len(r.mistakes) == failed {
		r.fail(root, "no topology here: no *.yaml or *.yml file", "")
	}
}

// entry takes one name below a directory. Links to files are followed (a
// mounted ConfigMap is made of them); links to directories could lead anywhere
// and around in circles.
func (r *reading) entry(root, path string, d fs.DirEntry) error {
	switch {
	case path == filepath.Clean(root):
		return nil
	case strings.HasPrefix(d.Name(), ".") && d.IsDir():
		return fs.SkipDir
	case strings.HasPrefix(d.Name(), "."), d.IsDir():
		return nil
	case len(r.sources) == maxFiles:
		return fmt.Errorf("more than %d files", maxFiles)
	}
	info, err := os.Stat(path)
	if d.Type()&fs.ModeSymlink != 0 && err == nil && info.IsDir() {
		r.fail(path, "a link to a directory is not followed", "name that directory on the command line, or remove the link")
		return nil
	}
	if !isYAML(path) {
		return nil
	}
	switch {
	case err != nil:
		r.fail(path, reason(err), "")
	case !info.Mode().IsRegular():
		r.fail(path, "is not a regular file", "")
	default:
		r.file(path)
	}
	return nil
}

func isYAML(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yaml" || ext == ".yml"
}

func (r *reading) file(path string) {
	f, err := os.Open(path)
	if err != nil {
		r.fail(path, reason(err), "")
		return
	}
	defer f.Close()
	r.keep(path, f)
}

// keep reads one byte more than a file may have, so that Load sees that there
// was more without memory for all of it.
func (r *reading) keep(name string, from io.Reader) {
	if r.bytes > maxAllBytes {
		return // said already
	}
	data, err := io.ReadAll(io.LimitReader(from, maxFileBytes+1))
	if err != nil {
		r.fail(name, reason(err), "")
		return
	}
	if r.bytes += len(data); r.bytes > maxAllBytes {
		r.fail(name, fmt.Sprintf("the files before and this one have more than %d MiB together", maxAllBytes>>20), "")
		return
	}
	r.sources = append(r.sources, Source{Name: name, Data: data})
}

// reason is the error without the path, which the Mistake names already.
func reason(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Op + ": " + at.Err.Error()
	}
	return err.Error()
}
