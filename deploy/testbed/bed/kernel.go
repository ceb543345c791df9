package bed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// settings of the whole machine that a kubelet sets to what it likes. It finds
// plain files in their place, in the mount namespace it is in.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// copySettings writes the values the kernel has into files below the directory.
func copySettings(dir string) error {
	for _, name := range settings {
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), value, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
