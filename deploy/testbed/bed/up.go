package bed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slotwright/slotwright/deploy/testbed/cgroup"
)

// hostGroup is where the processes are that belong to no node.
const hostGroup = "/host"

// Up starts a testbed in b.Dir, with the nodes and images of b, and returns
// when pods can be created. The command line serve is what supervises it from
// then on; it has to end up in Serve. A testbed that can't be started is taken
// down again, but for its logs.
func Up(ctx context.Context, b Bed, serve ...string) (Bed, error) {
	if exists(b.path(record)) {
		return b, fmt.Errorf("there is a testbed in %s; `testbed down` removes it", b.Dir)
	}
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return b, err
	}
	if err := b.lacks(); err != nil {
		return b, err
	}
	tree, err := cgroup.Find()
	if err != nil {
		return b, err
	}
	if err := b.lay(tree); err != nil {
		return b, err
	}
	if err := b.launch(ctx, tree, serve); err != nil {
		return b, errors.Join(err, b.Down(true))
	}
	return b, nil
}

// lay makes what the first process needs. The record comes before anything
// that would have to be removed by what it says.
func (b *Bed) lay(tree cgroup.Hierarchies) error {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	b.Group = groupPrefix + hex.EncodeToString(random[:])
	b.Host = Host
	for _, dir := range []string{"log", "images", "cni", "volumes", "etcd"} {
		if err := os.MkdirAll(b.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := b.save(); err != nil {
		return err
	}
	if err := tree.Create(b.Group + hostGroup); err != nil {
		return err
	}
	return tree.Weigh(b.Group, weight*(1+len(b.Nodes)))
}

// weight is the share of the control plane, and of each node, in processes.
const weight = 4

func (b *Bed) launch(ctx context.Context, tree cgroup.Hierarchies, serve []string) error {
	out, err := os.Create(b.logFile("testbed"))
	if err != nil {
		return err
	}
	defer out.Close()
	const script = `echo 0 >"$0" && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, tree.Procs(b.Group + hostGroup)}, serve...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the supervisor in a network namespace: %w", err)
	}
	b.Pid = cmd.Process.Pid
	if err := b.save(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	for !exists(b.path(ready)) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return fmt.Errorf("the supervisor ended: %s", lastLines(b.logFile("testbed")))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func lastLines(path string) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// Down ends all processes of the testbed and removes its control groups and
// files. What is left of one that broke or was killed goes the same way.
func (b Bed) Down(keepLogs bool) error {
	tree, err := cgroup.Find()
	if err != nil {
		return err
	}
	if err := tree.Kill(b.Group, patience); err != nil {
		return err
	}
	if err := tree.Remove(b.Group, patience); err != nil {
		return fmt.Errorf("remove the control groups: %w", err)
	}
	if err := mounted(b.Dir); err != nil {
		return err
	}
	return b.clear(keepLogs)
}

// clear removes the record last: while it is there, `down` can be repeated.
func (b Bed) clear(keepLogs bool) error {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == record || keepLogs && entry.Name() == "log" {
			continue
		}
		if err := os.RemoveAll(b.path(entry.Name())); err != nil {
			return err
		}
	}
	if err := os.Remove(b.path(record)); err != nil || keepLogs {
		return err
	}
	return os.Remove(b.Dir)
}

// mounted is an error when something is mounted below the directory here: its
// files may be somebody else's.
func mounted(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if field := strings.Fields(line); len(field) > 4 && strings.HasPrefix(field[4], dir+"/") {
			return fmt.Errorf("%s is mounted; unmount it, then nothing is in the way of removing %s", field[4], dir)
		}
	}
	return nil
}
