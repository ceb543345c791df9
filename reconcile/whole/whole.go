// Package whole writes files that are there whole or not at all, whenever the
// process or the machine dies. It knows nothing of what is in them.
package whole

import (
	"errors"
	"os"
	"path/filepath"
)

// beside is the pattern of the names under which a file is written before it
// takes its place. They are hidden: who reads the directory leaves them out.
func beside(path string) string { return "." + filepath.Base(path) + ".new-*" }

// Write writes a file that only its owner can read. After an error, or when the
// process is killed, the file is what it was before. A process that is killed
// leaves the new text beside it, see Sweep.
func Write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), beside(path))
	if err != nil {
		return err
	}
	_, wrote := f.Write(text)
	err = errors.Join(wrote, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // Sweep removes it, then
	}
	return err
}

// Sweep removes what writers of a file that were killed left beside it. Nobody
// else may be writing it.
func Sweep(path string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), beside(path))) // a path with [ in it finds nothing
	for _, name := range left {
		_ = os.Remove(name) // next time, then
	}
}
