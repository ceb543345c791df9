// Package cgroup keeps the processes of one testbed together, so that all of
// them can be found, counted and ended, and nothing else. It knows both
// versions of Linux's control groups and must not know what runs in them.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Hierarchies are the mounted trees of control groups: one for version 2, one
// for each controller (and one of names) for version 1.
type Hierarchies struct {
	roots    []string
	tracking string // the tree whose cgroup.procs tells what belongs to a group
	v2       bool
}

// Find reads the hierarchies of this machine from /proc/mounts.
func Find() (Hierarchies, error) {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return Hierarchies{}, err
	}
	return parse(string(mounts))
}

func parse(mounts string) (Hierarchies, error) {
	var h Hierarchies
	var unified string
	for line := range strings.Lines(mounts) {
		field := strings.Fields(line)
		if len(field) < 4 || !strings.HasPrefix(field[2], "cgroup") {
			continue
		}
		h.roots = append(h.roots, field[1])
		if field[2] == "cgroup2" {
			unified = field[1]
		} else if slices.Contains(strings.Split(field[3], ","), "pids") {
			h.tracking = field[1]
		}
	}
	if h.tracking == "" {
		h.tracking, h.v2 = unified, true
	}
	if h.tracking == "" {
		return h, errors.New("no cgroup hierarchy with the controller pids is mounted")
	}
	if h.v2 {
		h.roots = []string{unified}
	}
	return h, nil
}

// Create makes the group, such as "bed/k1", in all hierarchies, with every
// controller and processor that its parent may use.
func (h Hierarchies) Create(group string) error {
	for _, root := range h.roots {
		dir := root
		for part := range strings.SplitSeq(group, "/") {
			if h.v2 {
				enable(dir)
			}
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("make a control group: %w", err)
			}
			if err := inheritProcessors(parent, dir); err != nil {
				return fmt.Errorf("give the control group processors: %w", err)
			}
		}
	}
	return nil
}

// Weigh gives the group as much of busy processors as so many processes get that
// are in no group. Without it a group gets as much as one, however many are in it.
func (h Hierarchies) Weigh(group string, processes int) error {
	file, value := "cpu.shares", 1024*processes
	if h.v2 {
		file, value = "cpu.weight", min(100*processes, 10000)
	}
	for _, root := range h.roots {
		path := filepath.Join(root, group, file)
		if _, err := os.Stat(path); err != nil {
			continue // it is another controller's tree
		}
		if err := os.WriteFile(path, []byte(strconv.Itoa(value)), 0); err != nil {
			return fmt.Errorf("give the control group its share: %w", err)
		}
	}
	return nil
}

// enable hands down what controllers there are; those that may not be handed
// down are reported by the kubelet, which knows which it needs.
func enable(dir string) {
	controllers, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for name := range strings.FieldsSeq(string(controllers)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0)
	}
}

// In version 1 nothing can enter a cpuset that was given no processor.
func inheritProcessors(parent, dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		had, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(had)) != "" {
			continue
		}
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err == nil && strings.TrimSpace(string(value)) != "" {
			err = os.WriteFile(filepath.Join(dir, file), value, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Procs is the file a process writes 0 to in order to enter the group.
func (h Hierarchies) Procs(group string) string {
	return filepath.Join(h.tracking, group, "cgroup.procs")
}

// Pids are the processes in the group and in all groups below it.
func (h Hierarchies) Pids(group string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(filepath.Join(h.tracking, group), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since its parent was read
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		procs, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil
		}
		for field := range strings.FieldsSeq(string(procs)) {
			pid, convErr := strconv.Atoi(field)
			// 0 is a process of a PID namespace that can't be seen from here.
			if convErr == nil && pid != 0 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	return pids, err
}

// one refuses names that stand for all groups of the machine, or for those
// outside of the tree.
func one(group string) error {
	if !filepath.IsLocal(group) || filepath.Clean(group) == "." {
		return fmt.Errorf("%q is no control group of a testbed", group)
	}
	return nil
}

// Kill ends every process in the group and below with SIGKILL and returns once
// there is none, or an error after the time given.
func (h Hierarchies) Kill(group string, within time.Duration) error {
	if err := one(group); err != nil {
		return err
	}
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		pids, err := h.Pids(group)
		if err != nil {
			return fmt.Errorf("list the processes of control group %s: %w", group, err)
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("control group %s: processes %v outlive SIGKILL", group, pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// Remove removes the group and all below it from every hierarchy. A group that
// holds a process stays, and is an error after the time given.
func (h Hierarchies) Remove(group string, within time.Duration) error {
	if err := one(group); err != nil {
		return err
	}
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		var failed error
		for _, root := range h.roots {
			failed = errors.Join(failed, removeTree(filepath.Join(root, group)))
		}
		if failed == nil || time.Now().After(deadline) {
			return failed
		}
	}
}

// removeTree removes directories only: the files of a control group go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, removeTree(filepath.Join(dir, entry.Name())))
		}
	}
	if rmErr := syscall.Rmdir(dir); rmErr != nil && rmErr != syscall.ENOENT {
		err = errors.Join(err, &fs.PathError{Op: "rmdir", Path: dir, Err: rmErr})
	}
	return err
}
