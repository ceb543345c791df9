package live

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slotwright/slotwright/reconcile/whole"
)

// lockFile takes the file lock of the cluster on this machine. The system frees
// it when the process ends.
func (c *Cluster) lockFile() (free func(), holder string, err error) {
	if c.state == "" {
		return func() {}, "", nil
	}
	if err := os.MkdirAll(c.state, 0o700); err != nil {
		return nil, "", fmt.Errorf("lock %s: %w", c.want.Name, err)
	}
	file, err := os.OpenFile(filepath.Join(c.state, c.want.Name+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("lock %s: %w", c.want.Name, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer file.Close()
		text, _ := io.ReadAll(io.LimitReader(file, 100))
		return nil, "another run on this machine, " + clip(strings.TrimSpace(string(text))), nil
	}
	if err != nil {
		_ = file.Close()
		return nil, "", fmt.Errorf("lock %s: %w", c.want.Name, err)
	}
	whole.Sweep(c.rosterFile())
	_ = file.Truncate(0)
	_, _ = fmt.Fprintf(file, "process %d\n", os.Getpid())
	// The file stays: to remove it would free its name for a second lock.
	return func() { _ = file.Close() }, "", nil
}
