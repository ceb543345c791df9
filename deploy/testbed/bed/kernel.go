package bed

import (
	"errors"
	"os"
	"path/filepath"
)

// settings of the whole machine that a kubelet sets to what it likes.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

func readKernel() map[string]string {
	values := map[string]string{}
	for _, name := range settings {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = string(value)
		}
	}
	return values
}

func restoreKernel(values map[string]string) error {
	var failed error
	for name, want := range values {
		path := filepath.Join("/proc/sys", name)
		if value, err := os.ReadFile(path); err != nil || string(value) == want {
			continue
		}
		failed = errors.Join(failed, os.WriteFile(path, []byte(want), 0))
	}
	return failed
}
